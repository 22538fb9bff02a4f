// The works over a pair of byte streams, whatever they are made of.
#ifndef SIDECALL_BENCHMARKS_FLOORS_BYTE_STREAM_FLOOR_H_
#define SIDECALL_BENCHMARKS_FLOORS_BYTE_STREAM_FLOOR_H_

#include <memory>

#include "floor.h"
#include "stream_end.h"

namespace bench {

std::unique_ptr<WorkerClient> MakeByteStreamClient(const StreamEnd& end, const WorkerOptions& options);
// Until the stream ends.
absl::Status ServeByteStream(StreamEnd end, const WorkerOptions& options);

}  // namespace bench

#endif  // SIDECALL_BENCHMARKS_FLOORS_BYTE_STREAM_FLOOR_H_
