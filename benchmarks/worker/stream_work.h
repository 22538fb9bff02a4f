// What the works that stream have in common: "stream" (small messages, with the hint that more follows) and
// "bandwidth" (large ones), from client to server. A run is one stream; the server answers how many messages
// came.
#ifndef SIDECALL_BENCHMARKS_WORKER_STREAM_WORK_H_
#define SIDECALL_BENCHMARKS_WORKER_STREAM_WORK_H_

#include <cstddef>
#include <string_view>

#include "absl/status/status.h"

namespace bench {

constexpr bool IsStreamWork(std::string_view work) {
  return work == "stream" || work == "bandwidth";
}

// OK where as many messages came as were sent.
inline absl::Status CheckCount(size_t sent, int64_t came) {
  if (came == static_cast<int64_t>(sent)) return absl::OkStatus();
  return absl::DataLossError("not as many messages came as were sent");
}

}  // namespace bench

#endif  // SIDECALL_BENCHMARKS_WORKER_STREAM_WORK_H_
