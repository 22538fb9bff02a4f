// The works that keep a window, over any floor: to the bare primitive a call in flight and a message of a
// stream are the same, and only the window differs.
#ifndef SIDECALL_BENCHMARKS_FLOORS_WINDOW_FLOOR_H_
#define SIDECALL_BENCHMARKS_FLOORS_WINDOW_FLOOR_H_

#include <cstddef>

#include "absl/status/status.h"
#include "floor.h"
#include "time_calls.h"
#include "window_work.h"

namespace bench {

// `send(message, more)` and `receive(message)` return a status.
template <typename Send, typename Receive>
absl::Status RunWindowOver(std::string_view work, size_t count, const EchoMessage& request, Send&& send,
                           Receive&& receive) {
  const Window& window = work == kPipelined ? kPipelinedWindow : kStreamWindow;
  absl::Status status;
  EchoMessage reply;
  const bool all = RunWindow(
      window, count, [&](size_t, bool more) { return (status = send(request, more)).ok(); },
      [&](size_t) { return (status = receive(&reply)).ok(); });
  return all ? CheckEcho(request, reply) : status;
}

}  // namespace bench

#endif  // SIDECALL_BENCHMARKS_FLOORS_WINDOW_FLOOR_H_
