// The floors: a protobuf echo between two processes over a bare primitive, as fast as it can be written
// without a framework. Each is one file beside this header; adding one adds a file, a line to kFloors and one
// to CMakeLists.txt.
#ifndef SIDECALL_BENCHMARKS_FLOORS_FLOOR_H_
#define SIDECALL_BENCHMARKS_FLOORS_FLOOR_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "echo.pb.h"
#include "worker.h"

namespace bench {

absl::StatusOr<std::unique_ptr<WorkerClient>> ConnectShm(const WorkerOptions& options);
absl::Status ServeShm(const WorkerOptions& options, const std::function<void()>& ready);

absl::StatusOr<std::unique_ptr<WorkerClient>> ConnectUnix(const WorkerOptions& options);
absl::Status ServeUnix(const WorkerOptions& options, const std::function<void()>& ready);

absl::StatusOr<std::unique_ptr<WorkerClient>> ConnectPipe(const WorkerOptions& options);
absl::Status ServePipe(const WorkerOptions& options, const std::function<void()>& ready);

absl::StatusOr<std::unique_ptr<WorkerClient>> ConnectMqueue(const WorkerOptions& options);
absl::Status ServeMqueue(const WorkerOptions& options, const std::function<void()>& ready);

inline EchoMessage MakeRequest(size_t bytes) {
  EchoMessage request;
  request.set_payload(std::string(bytes, 'x'));
  request.set_id(7);
  return request;
}

// What every system's handler does.
inline void Echo(const EchoMessage& request, EchoMessage* reply) {
  reply->set_payload(request.payload());
  reply->set_id(request.id());
}

}  // namespace bench

#endif  // SIDECALL_BENCHMARKS_FLOORS_FLOOR_H_
