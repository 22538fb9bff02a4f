// Handlers that wait for a message of their stream, or for room: they read for themselves, or sleep while
// another thread reads.
#include <algorithm>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "core/serve_loop.h"
#include "transport/clock.h"

namespace sidecall {
namespace {

// Rounds in a row that only served handlers which wait, after which one of those had better have the role.
constexpr uint32_t kRoundsForWaiters = 4;

}  // namespace

bool ServeLoop::AwaitStream(Sleeper& sleeper, const FrameStream* reading_into, int64_t deadline_nanos,
                            absl::FunctionRef<bool()> done) {
  RoleOffer* offer = RoleOffer::Of(pool_);
  for (;;) {
    if (done()) return true;
    if (pool_.stopping()) return false;
    if (!role_promised_.load(std::memory_order_seq_cst) && TakeRole(offer)) {
      // No other handler runs inside of this one: what is read for them is another thread's.
      if (!HasRunnable()) ReadFor(reading_into, deadline_nanos, done);
      GiveRoleBack(offer);
    } else {
      SleepAsWaiter(sleeper, deadline_nanos, done);
      // Perhaps it was woken to read, and does not want to any more.
      const bool reads = !done() && !HasPassed(deadline_nanos);
      if (!reads && pool_.role().IsFree()) pool_.FillReader();
    }
    if (deadline_nanos != kInfiniteFutureNanos && !done() && HasPassed(deadline_nanos)) return false;
  }
}

// After ReadFor.
void ServeLoop::GiveRoleBack(RoleOffer* offer) {
  while (HasRunnable()) {
    role_promised_.store(true, std::memory_order_seq_cst);
    if (ReleaseRole(offer)) return;
    role_promised_.store(false, std::memory_order_seq_cst);
    // All threads are in handlers, perhaps for good: who waits here had better read on, and the calls be told
    // so.
    if (!TakeRole(offer)) return;
    while (HasRunnable()) {
      FrameServerCall& call = *runnable_[next_runnable_++];
      call.session().Refuse(
          call, absl::ResourceExhaustedError(absl::StrCat(
                    "all of the server's ", options_.max_handler_threads,
                    " threads run handlers. Try later, or raise the server's max_handler_threads")));
    }
  }
  if (offer != nullptr) {
    offer->Offer();
  } else {
    ReleaseRole(offer);
  }
}

// `offer`: that of this thread's handler, null where it runs none.
bool ServeLoop::TakeRole(RoleOffer* offer) {
  return offer != nullptr ? offer->Retake() : pool_.role().TryTake();
}

// False where no thread is free to run handlers.
bool ServeLoop::ReleaseRole(RoleOffer* offer) {
  if (offer != nullptr) return offer->Release();
  pool_.role().Release();
  return pool_.FillReader();
}

// Returns, with the role, when `done()`, at `deadline_nanos`, or where calls may run.
void ServeLoop::ReadFor(const FrameStream* reading_into, int64_t deadline_nanos,
                        absl::FunctionRef<bool()> done) {
  reading_into_ = reading_into;
  bool slept = false;
  spin_.Begin();
  for (;;) {
    const Progress progress = PollHot(Purpose::kReadOnly);
    if (HasRunnable() || pool_.stopping()) break;
    // Others' frames, accepts and requests have their turn also where the own message is always there.
    const bool there = done();
    if (there && ++idle_rounds_ % kIdleRounds == 0) look_at_events_.store(true, std::memory_order_relaxed);
    if (there && !look_at_events_.load(std::memory_order_relaxed)) break;
    AfterPoll(progress, slept, deadline_nanos);
    if (done() || (deadline_nanos != kInfiniteFutureNanos && HasPassed(deadline_nanos))) break;
  }
  reading_into_ = nullptr;
}

void ServeLoop::SleepAsWaiter(Sleeper& sleeper, int64_t deadline_nanos, absl::FunctionRef<bool()> done) {
  HandlerScope::AboutToBlock();
  {
    const std::lock_guard lock(mutex_);
    waiters_.push_back(&sleeper);
    waiter_count_.store(waiters_.size(), std::memory_order_relaxed);
  }
  sleeper.Announce();
  const bool somebody_reads = !pool_.role().IsFree() || role_promised_.load(std::memory_order_seq_cst);
  if (!done() && !pool_.stopping() && somebody_reads) sleeper.Sleep(deadline_nanos);
  sleeper.Cancel();
  {
    const std::lock_guard lock(mutex_);
    std::erase(waiters_, &sleeper);
    waiter_count_.store(waiters_.size(), std::memory_order_relaxed);
  }
}

// Where frames keep coming that are for waiting handlers alone, one of them had better read for itself. True:
// it has the role, or another thread.
bool ServeLoop::OfferToWaiter() {
  if (rounds_for_waiters_ < kRoundsForWaiters || waiter_count_.load(std::memory_order_relaxed) == 0 ||
      HasRunnable()) {
    return false;
  }
  rounds_for_waiters_ = 0;
  pool_.role().Release();
  return WakeWaitingHandler() || !pool_.role().TryTake();
}

bool ServeLoop::WakeWaitingHandler() {
  const std::lock_guard lock(mutex_);
  return std::any_of(waiters_.begin(), waiters_.end(), [](Sleeper* waiter) { return waiter->Wake(); });
}

}  // namespace sidecall
