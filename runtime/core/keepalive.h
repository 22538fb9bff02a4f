// Keepalive: when a client that waits, and hears nothing, asks whether the server still reads, and when it
// gives the connection up: what finds a peer that is stopped, or hangs, but lives.
//
//   if (frames > 0) keepalive.Heard();
//   else switch (keepalive.Look(now)) { kAsk: send a PING; kGiveUp: close; kWait: sleep until keepalive.due()
//   }
//
// Thread-safety: the thread with the connection's reader role.
#ifndef SIDECALL_CORE_KEEPALIVE_H_
#define SIDECALL_CORE_KEEPALIVE_H_

#include <algorithm>
#include <cstdint>

#include "absl/time/time.h"
#include "transport/clock.h"

namespace sidecall {

class Keepalive {
 public:
  // Asks after `time` of silence, gives up after `timeout` more. Infinite: never.
  Keepalive(absl::Duration time, absl::Duration timeout)
      : time_nanos_(std::max(absl::ToInt64Nanoseconds(time), kShortestNanos)),
        timeout_nanos_(std::max(absl::ToInt64Nanoseconds(timeout), int64_t{1})) {}

  bool enabled() const { return time_nanos_ != kInfiniteFutureNanos; }
  void Heard() { silent_since_ = 0; }

  enum class Due { kWait, kAsk, kGiveUp };
  // About to sleep, having heard nothing: what is due now. kAsk counts as asked.
  Due Look(int64_t now) {
    if (silent_since_ == 0) {
      silent_since_ = now;
      asked_ = false;
    }
    if (now < due()) return Due::kWait;
    if (asked_) return Due::kGiveUp;
    silent_since_ = now;
    asked_ = true;
    return Due::kAsk;
  }
  // When Look is due again.
  int64_t due() const {
    const int64_t patience = asked_ ? timeout_nanos_ : time_nanos_;
    return patience > kInfiniteFutureNanos - silent_since_ ? kInfiniteFutureNanos : silent_since_ + patience;
  }

 private:
  // More than two questions a second may be taken for a flood (docs/protocol.md).
  static constexpr int64_t kShortestNanos = 500'000'000;

  const int64_t time_nanos_;
  const int64_t timeout_nanos_;
  int64_t silent_since_ = 0;  // the first look since something was heard, or the question; 0: none yet
  bool asked_ = false;
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_KEEPALIVE_H_
