// FloodBudget: how many frames without progress (docs/protocol.md, "Floods") a connection may still send: so
// many at once, more with each call and with time.
//
//   if (!budget.Spend()) return FloodBudget::Exceeded();
//
// Thread-safety: the connection's reader.
#ifndef SIDECALL_CORE_FLOOD_BUDGET_H_
#define SIDECALL_CORE_FLOOD_BUDGET_H_

#include <algorithm>
#include <cstdint>

#include "absl/status/status.h"
#include "core/frame_stream.h"
#include "core/handshake.h"
#include "transport/clock.h"

namespace sidecall {

class FloodBudget {
 public:
  static constexpr int64_t kMost = 16'384;
  static constexpr int64_t kPerCall = 16;
  static constexpr int64_t kPerSecond = 1000;
  // A WINDOW of less gives next to nothing; larger ones are bounded by the window itself.
  static constexpr uint64_t kSmallWindow = 4096;

  // A call began, or was refused. `sends_more`: its client may send messages behind the START, up to a window
  // of them before it can know that the call has ended.
  void Earn(bool sends_more) {
    left_ = std::min(left_ + kPerCall, kMost);
    if (sends_more) late_bytes_ = std::min(late_bytes_ + int64_t{kInitialWindow}, kMostLateBytes);
  }
  // A message of a call that has ended came. False where no call explains it.
  bool TakeLate(size_t bytes) {
    if (late_bytes_ <= 0) return false;
    late_bytes_ -= static_cast<int64_t>(bytes) + FrameStream::kMessageCost;
    return true;
  }
  // A frame without progress came. False: it is one too many. The clock is read only where the budget is used
  // up.
  bool Spend() { return --left_ >= 0 || EarnByTime(); }
  static absl::Status Exceeded() {
    return absl::ResourceExhaustedError(
        "the peer floods this side with frames that carry no progress: pings, cancels, small windows, or "
        "frames of no "
        "open stream");
  }

 private:
  bool EarnByTime() {
    const int64_t now = MonotonicNanos();
    const int64_t earned = std::min((now - since_nanos_) / (1'000'000'000 / kPerSecond), kMost);
    if (earned < 1) return false;
    since_nanos_ = now;
    left_ = earned - 1;
    return true;
  }

  static constexpr int64_t kMostLateBytes = int64_t{1024} * kInitialWindow;

  int64_t left_ = kMost;
  int64_t late_bytes_ = 0;
  int64_t since_nanos_ = MonotonicNanos();
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_FLOOD_BUDGET_H_
