#include "transports/exec/restarts.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "transport/clock.h"

namespace sidecall {
namespace {

constexpr int64_t kQuickNanos = 10'000'000'000;
constexpr int64_t kFirstPauseNanos = 100'000'000;
constexpr int kMostDoublings = 6;  // 6.4 s

}  // namespace

void Restarts::Add(std::shared_ptr<ChildRecord> child) {
  const std::lock_guard lock(mutex_);
  started_.push_back(std::move(child));
}

void Restarts::NoteEnds(int64_t deadline_nanos) {
  std::erase_if(started_, [this, deadline_nanos](const std::shared_ptr<ChildRecord>& child) {
    const auto end = child->ending() ? child->AwaitEnd(deadline_nanos) : child->end();
    if (!end.has_value()) return false;
    if (child->let_go()) return true;
    const bool quick = end->at_nanos - child->started_nanos() < kQuickNanos;
    quick_ends_ = quick ? quick_ends_ + 1 : 0;
    last_end_nanos_ = std::max(last_end_nanos_, end->at_nanos);
    last_end_ = absl::StrCat(child->ToString(), " ", end->how);
    return true;
  });
}

absl::StatusOr<int64_t> Restarts::Next(const ChildCommand& command, int64_t deadline_nanos) {
  const std::lock_guard lock(mutex_);
  NoteEnds(deadline_nanos);
  if (quick_ends_ == 0) return MonotonicNanos();
  if (quick_ends_ > command.options.max_restarts) {
    return absl::FailedPreconditionError(
        absl::StrCat(command.program, " is not started any more: it ended ", quick_ends_,
                     " times in a row, each within 10 s of its start, and max_restarts allows ",
                     command.options.max_restarts, " new starts. The last, ", last_end_,
                     ". Mend it, then start this process anew"));
  }
  return last_end_nanos_ + (kFirstPauseNanos << std::min(quick_ends_ - 1, kMostDoublings));
}

std::string Restarts::LastEnd() const {
  const std::lock_guard lock(mutex_);
  return last_end_;
}

}  // namespace sidecall
