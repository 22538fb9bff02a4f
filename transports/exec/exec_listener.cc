#include "transports/exec/exec_listener.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <utility>

#include "transport/clock.h"
#include "transport/errno_status.h"
#include "transports/exec/child_keeper.h"
#include "transports/exec/child_stream.h"

namespace sidecall {
namespace {

// What could not be started now may be later.
constexpr int64_t kStartAgainNanos = 1'000'000'000;

bool Watch(int events, int descriptor) {
  epoll_event event{};
  event.events = EPOLLIN;
  return epoll_ctl(events, EPOLL_CTL_ADD, descriptor, &event) == 0;
}

bool HasEnded(const Child& child) {
  pollfd process{.fd = child.process().get(), .events = POLLIN, .revents = 0};
  return poll(&process, 1, 0) == 1;
}

void Unwatch(int events, int descriptor) {
  epoll_ctl(events, EPOLL_CTL_DEL, descriptor, nullptr);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Listener>> ExecListener::Listen(ChildCommand command) {
  UniqueFd events(epoll_create1(EPOLL_CLOEXEC));
  UniqueFd timer(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!events.valid() || !timer.valid() || !Watch(events.get(), timer.get())) {
    return ErrnoStatus(errno, "listen for a child");
  }
  std::unique_ptr<ExecListener> listener(
      new ExecListener(std::move(command), std::move(events), std::move(timer)));
  absl::Status started = listener->Start();
  if (!started.ok()) return started;
  return listener;
}

ExecListener::~ExecListener() {
  if (ungreeted_.has_value()) ChildKeeper::GiveUp(ungreeted_->started.child);
}

absl::Status ExecListener::Start() {
  auto ungreeted = StartUngreeted(command_, restarts_);
  if (!ungreeted.ok()) return ungreeted.status();
  const StartedChild& started = ungreeted->started;
  // The end of one is not told by the pipe alone: a descendant of its may have that still.
  if (!Watch(events_.get(), started.in.get()) || !Watch(events_.get(), started.child->process().get())) {
    absl::Status why = ErrnoStatus(errno, "wait for the greeting of a child");
    Unwatch(events_.get(), started.in.get());
    ChildKeeper::GiveUp(started.child);
    return why;
  }
  ungreeted_.emplace(*std::move(ungreeted));
  SetTimer(kGreetingPatienceNanos);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Connection>> ExecListener::Greet() {
  UniqueFd& in = ungreeted_->started.in;
  const std::shared_ptr<Child> child = ungreeted_->started.child;
  const ChildRecord& record = *child->record();
  absl::StatusOr<bool> greeted = false;
  if (in.valid()) greeted = ungreeted_->greeting.ReadFrom(in.get(), record);
  const bool has_closed = absl::IsUnavailable(greeted.status());
  const bool is_awaited = greeted.ok() && !*greeted;
  if ((has_closed || is_awaited) && HasEnded(*child)) {
    greeted = EndedBeforeGreeting(record, INT64_MAX);
  } else if (has_closed) {
    // It has closed its pipes, and may live on: of no use any more. Told of when it has ended.
    Unwatch(events_.get(), in.get());
    in = UniqueFd();
    ChildKeeper::LetGo(child, absl::ZeroDuration());
    return nullptr;
  } else if (is_awaited) {
    if (!TimerHasRung()) return nullptr;
    return absl::FailedPreconditionError(record.ToString() + kDoesNotGreet);
  }
  StartedChild started = std::move(ungreeted_->started);
  ungreeted_.reset();
  SetTimer(0);
  if (started.in.valid()) Unwatch(events_.get(), started.in.get());
  child_ = child;
  if (!greeted.ok()) {
    ChildKeeper::LetGo(child_, absl::ZeroDuration());
    return absl::FailedPreconditionError(greeted.status().message());
  }
  return ConnectionTo(child_, std::move(started.in), std::move(started.out), command_.options.grace);
}

// 0: not at all.
void ExecListener::SetTimer(int64_t nanos) {
  const itimerspec once{.it_interval = {},
                        .it_value = {.tv_sec = nanos / 1'000'000'000, .tv_nsec = nanos % 1'000'000'000}};
  timerfd_settime(timer_.get(), 0, &once, nullptr);
}

bool ExecListener::TimerHasRung() {
  uint64_t expirations = 0;
  return read(timer_.get(), &expirations, sizeof expirations) > 0;
}

absl::Status ExecListener::PlanRestart() {
  const absl::StatusOr<int64_t> next = restarts_.Next(command_, INT64_MAX);
  if (!next.ok()) return next.status();
  SetTimer(std::max<int64_t>(*next - MonotonicNanos(), 1));
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Connection>> ExecListener::Accept() {
  if (ungreeted_.has_value()) return Greet();
  if (child_ != nullptr) {
    if (!HasEnded(*child_)) return nullptr;
    Unwatch(events_.get(), child_->process().get());
    (void)child_->record()->AwaitEnd(INT64_MAX);
    child_ = nullptr;
    absl::Status planned = PlanRestart();
    if (!planned.ok()) return planned;
    return nullptr;
  }
  if (!TimerHasRung()) return nullptr;
  absl::Status started = Start();
  if (started.ok()) return nullptr;
  SetTimer(kStartAgainNanos);
  return absl::FailedPreconditionError(started.message());
}

}  // namespace sidecall
