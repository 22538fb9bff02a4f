#include "transports/exec/exec_connect.h"

#include <poll.h>

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "transport/await_server.h"
#include "transport/clock.h"
#include "transports/exec/child_keeper.h"
#include "transports/exec/child_stream.h"
#include "transports/exec/greeting.h"

namespace sidecall {
namespace {

// Until then, for the pause between two starts. UNAVAILABLE where it is longer than anybody waits.
absl::Status Pause(int64_t until_nanos, const AwaitServer& wait, const Restarts& restarts) {
  const int64_t now = MonotonicNanos();
  if (until_nanos <= now) return absl::OkStatus();
  if (until_nanos > wait.deadline_nanos) {
    return absl::UnavailableError(absl::StrCat(restarts.LastEnd(), ", and is started again in ",
                                               (until_nanos - now) / 1'000'000, " ms"));
  }
  AwaitServer pause = wait;
  pause.deadline_nanos = until_nanos;
  const absl::Status paused = pause.Until({.fd = -1, .events = 0, .revents = 0});
  return absl::IsDeadlineExceeded(paused) ? absl::OkStatus() : paused;
}

absl::StatusOr<UngreetedChild> Start(const ChildCommand& command, Restarts& restarts,
                                     const AwaitServer& wait) {
  const absl::StatusOr<int64_t> next = restarts.Next(command, wait.deadline_nanos);
  if (!next.ok()) return next.status();
  const absl::Status paused = Pause(*next, wait, restarts);
  if (!paused.ok()) return paused;
  return StartUngreeted(command, restarts);
}

// One that was started before, or now.
absl::StatusOr<UngreetedChild> TakeOrStart(const ChildCommand& command, ChildrenOfAddress& children,
                                           const AwaitServer& wait) {
  {
    const std::lock_guard lock(children.mutex);
    while (!children.ungreeted.empty()) {
      UngreetedChild child = std::move(children.ungreeted.back());
      children.ungreeted.pop_back();
      if (ChildKeeper::Keep(child.started.child)) return child;
    }
  }
  return Start(command, children.restarts, wait);
}

absl::Status AwaitGreeting(UngreetedChild& ungreeted, const AwaitServer& wait) {
  const StartedChild& started = ungreeted.started;
  const ChildRecord& record = *started.child->record();
  AwaitServer for_child = wait;
  for_child.ends = {{.fd = started.child->process().get(), .events = POLLIN, .revents = 0}};
  for (;;) {
    const absl::Status waited = for_child.Until({.fd = started.in.get(), .events = POLLIN, .revents = 0});
    if (absl::IsDeadlineExceeded(waited)) {
      return absl::DeadlineExceededError(record.ToString() + kDoesNotGreet);
    }
    const absl::StatusOr<bool> greeted =
        waited.ok() ? ungreeted.greeting.ReadFrom(started.in.get(), record) : absl::StatusOr<bool>(waited);
    if (absl::IsUnavailable(greeted.status())) return EndedBeforeGreeting(record, wait.deadline_nanos);
    if (!greeted.ok()) return greeted.status();
    if (*greeted) return absl::OkStatus();
  }
}

void LeaveUngreeted(UngreetedChild ungreeted, const absl::Status& why, ChildrenOfAddress& children) {
  const std::shared_ptr<Child> child = ungreeted.started.child;
  const bool by_caller = absl::IsDeadlineExceeded(why) || absl::IsCancelled(why);
  if (absl::IsUnavailable(why)) {
    ChildKeeper::LetGo(child, absl::ZeroDuration());  // It has crashed, and that counts.
  } else if (by_caller && MonotonicNanos() - child->record()->started_nanos() < kGreetingPatienceNanos) {
    // It may be slow only: those who do not wait as long would start it for ever.
    const std::lock_guard lock(children.mutex);
    ChildKeeper::LetGo(child, absl::Nanoseconds(kGreetingPatienceNanos));
    children.ungreeted.push_back(std::move(ungreeted));
  } else {
    ChildKeeper::GiveUp(child);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> ConnectToChild(const ChildCommand& command,
                                                           ChildrenOfAddress& children,
                                                           int64_t deadline_nanos, int cancel_descriptor) {
  const AwaitServer wait{.deadline_nanos = deadline_nanos, .cancel_descriptor = cancel_descriptor};
  auto ungreeted = TakeOrStart(command, children, wait);
  if (!ungreeted.ok()) return ungreeted.status();
  const absl::Status greeted = AwaitGreeting(*ungreeted, wait);
  if (!greeted.ok()) {
    LeaveUngreeted(*std::move(ungreeted), greeted, children);
    return greeted;
  }
  StartedChild& started = ungreeted->started;
  return ConnectionTo(started.child, std::move(started.in), std::move(started.out), command.options.grace);
}

}  // namespace sidecall
