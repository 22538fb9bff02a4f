// The works that stream, over any floor: one side sends messages as they fit, the other counts them, and
// answers when the last has come.
#ifndef SIDECALL_BENCHMARKS_FLOORS_STREAM_FLOOR_H_
#define SIDECALL_BENCHMARKS_FLOORS_STREAM_FLOOR_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "floor.h"
#include "stream_work.h"

namespace bench {

inline constexpr int64_t kLastOfStream = -1;

// `send(message, more)` and `receive(message)` return a status.
template <typename Send, typename Receive>
absl::Status StreamMessages(size_t messages, EchoMessage& message, Send&& send, Receive&& receive) {
  for (size_t i = 0; i < messages; i++) {
    if (absl::Status status = send(message, true); !status.ok()) return status;
  }
  EchoMessage last;
  last.set_id(kLastOfStream);
  if (absl::Status status = send(last, false); !status.ok()) return status;
  EchoMessage count;
  if (absl::Status status = receive(&count); !status.ok()) return status;
  return CheckCount(messages, count.id());
}

// Serves one such stream after another, until `receive` or `send` fails.
template <typename Send, typename Receive>
absl::Status CountMessages(Send&& send, Receive&& receive) {
  EchoMessage message;
  for (int64_t count = 0;;) {
    if (absl::Status status = receive(&message); !status.ok()) return status;
    if (message.id() != kLastOfStream) {
      count++;
      continue;
    }
    EchoMessage reply;
    reply.set_id(count);
    if (absl::Status status = send(reply, false); !status.ok()) return status;
    count = 0;
  }
}

}  // namespace bench

#endif  // SIDECALL_BENCHMARKS_FLOORS_STREAM_FLOOR_H_
