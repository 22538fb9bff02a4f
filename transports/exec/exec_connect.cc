#include "transports/exec/exec_connect.h"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "transport/await_server.h"
#include "transport/clock.h"
#include "transports/exec/child_keeper.h"
#include "transports/exec/child_stream.h"
#include "transports/exec/greeting.h"

namespace sidecall {
namespace {

// Until then, for the pause between two starts.
absl::Status Pause(int64_t until_nanos, const AwaitServer& wait, const Restarts& restarts) {
  if (until_nanos <= MonotonicNanos()) return absl::OkStatus();
  AwaitServer pause = wait;
  pause.deadline_nanos = std::min(until_nanos, wait.deadline_nanos);
  const absl::Status paused = pause.Until({.fd = -1, .events = 0, .revents = 0});
  if (!absl::IsDeadlineExceeded(paused)) return paused;
  if (until_nanos <= MonotonicNanos()) return absl::OkStatus();
  return absl::DeadlineExceededError(absl::StrCat(restarts.LastEnd(), ", and is started again in ",
                                                  (until_nanos - MonotonicNanos()) / 1'000'000, " ms"));
}

absl::Status AwaitGreeting(const StartedChild& started, const AwaitServer& wait) {
  fcntl(started.in.get(), F_SETFL, O_NONBLOCK);
  AwaitServer for_child = wait;
  for_child.ends = {{.fd = started.child->process().get(), .events = POLLIN, .revents = 0}};
  Greeting greeting(started.cookie);
  for (;;) {
    const absl::Status waited = for_child.Until({.fd = started.in.get(), .events = POLLIN, .revents = 0});
    if (absl::IsUnavailable(waited)) return EndedBeforeGreeting(*started.child->record());
    if (absl::IsDeadlineExceeded(waited)) {
      return absl::DeadlineExceededError(absl::StrCat(started.child->record()->ToString(), kDoesNotGreet));
    }
    if (!waited.ok()) return waited;
    const absl::StatusOr<bool> greeted = greeting.ReadFrom(started.in.get(), *started.child->record());
    if (!greeted.ok()) return greeted.status();
    if (*greeted) return absl::OkStatus();
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> ConnectToChild(const ChildCommand& command, Restarts& restarts,
                                                           int64_t deadline_nanos, int cancel_descriptor) {
  const AwaitServer wait{.deadline_nanos = deadline_nanos, .cancel_descriptor = cancel_descriptor};
  const absl::StatusOr<int64_t> next = restarts.Next(command);
  if (!next.ok()) return next.status();
  const absl::Status paused = Pause(*next, wait, restarts);
  if (!paused.ok()) return paused;
  auto keeper = ChildKeeper::OfProcess();
  if (!keeper.ok()) return keeper.status();
  auto started = (*keeper)->Start(command);
  if (!started.ok()) return started.status();
  restarts.Add(started->child->record());
  const absl::Status greeted = AwaitGreeting(*started, wait);
  if (!greeted.ok()) {
    if (absl::IsUnavailable(greeted)) {
      ChildKeeper::LetGo(started->child, absl::ZeroDuration());  // It has crashed, and that counts.
    } else {
      ChildKeeper::GiveUp(started->child);
    }
    return greeted;
  }
  return ConnectionTo(started->child, std::move(started->in), std::move(started->out), command.options.grace);
}

}  // namespace sidecall
