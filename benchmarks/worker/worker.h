// Worker: one side, client or server, of one system under test, in a process of its own that the driver
// starts.
//
//   int main(int argc, char** argv) { return bench::RunWorker(argc, argv, {&Connect, &Serve}); }
//
// RunWorker reads the command line, speaks protocol.h with the driver, and calls the two functions.
// Thread-safety: a client is used by one thread.
#ifndef SIDECALL_BENCHMARKS_WORKER_WORKER_H_
#define SIDECALL_BENCHMARKS_WORKER_WORKER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mode.h"

namespace bench {

// The command line of a worker.
struct WorkerOptions {
  std::string work;       // "unary"
  std::string transport;  // "shm", where a program serves more than one
  std::string address;    // a path that nothing lies at yet
  Mode mode = Mode::kHot;
  size_t bytes = 0;             // of a payload
  bool deadline = false;        // give every call a deadline
  bool named = false;           // find the server by its service's name, in a registry beside `address`
  bool stalled_stream = false;  // have a stream open on the connection, and read nothing of it
};

// The deadline of calls that have one: far enough never to pass.
inline constexpr int kDeadlineSeconds = 60;

class WorkerClient {
 public:
  virtual ~WorkerClient() = default;

  // Makes `calls` calls, and appends how long each took; nothing where the work is a rate. Room for `calls`
  // samples is reserved.
  virtual absl::Status Run(size_t calls, std::vector<int64_t>& nanos) = 0;
};

struct WorkerFunctions {
  // Connects to the server at options.address. Errors: UNIMPLEMENTED for a work or transport that it does not
  // know.
  absl::StatusOr<std::unique_ptr<WorkerClient>> (*connect)(const WorkerOptions& options);
  // Listens at options.address, calls `ready`, and serves until the process is ended or the client is gone.
  absl::Status (*serve)(const WorkerOptions& options, const std::function<void()>& ready);
};

// The whole of main(). Returns the exit status.
int RunWorker(int argc, char** argv, const WorkerFunctions& functions);

}  // namespace bench

#endif  // SIDECALL_BENCHMARKS_WORKER_WORKER_H_
