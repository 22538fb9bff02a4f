// The works that keep a window of messages on their way, by one thread: "pipelined" (unary calls in flight)
// and "stream_both_ways" (messages of one bidirectional stream, which the server echoes, with the hint that
// more follows).
//
// Every system fills the window and empties it in the same steps, so that what is put together is the same
// for all.
#ifndef SIDECALL_BENCHMARKS_WORKER_WINDOW_WORK_H_
#define SIDECALL_BENCHMARKS_WORKER_WINDOW_WORK_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace bench {

inline constexpr std::string_view kPipelined = "pipelined";
inline constexpr std::string_view kStreamBothWays = "stream_both_ways";

constexpr bool IsWindowWork(std::string_view work) {
  return work == kPipelined || work == kStreamBothWays;
}

struct Window {
  size_t most;  // on their way
  size_t step;  // are taken before others are sent
};
inline constexpr Window kPipelinedWindow = {.most = 64, .step = 32};
inline constexpr Window kStreamWindow = {.most = 512, .step = 256};

// The id of a message behind which others are not waited for: where a step ends, so does what is put
// together.
inline constexpr int64_t kEndOfStep = 8;

// Runs `count` messages through the window. `send(index, more)` and `take(index)` return false where they
// fail, and so end the loop; `more`: another follows at once. False where one did.
template <typename Send, typename Take>
bool RunWindow(const Window& window, size_t count, Send&& send, Take&& take) {
  for (size_t sent = 0, taken = 0; taken < count;) {
    for (const size_t until = std::min(count, taken + window.most); sent < until; sent++) {
      if (!send(sent, sent + 1 < until)) return false;
    }
    for (const size_t until = std::min(count, taken + window.step); taken < until; taken++) {
      if (!take(taken)) return false;
    }
  }
  return true;
}

}  // namespace bench

#endif  // SIDECALL_BENCHMARKS_WORKER_WINDOW_WORK_H_
