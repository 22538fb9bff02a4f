#include "transports/exec/exec_listener.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "transport/clock.h"
#include "transport/errno_status.h"
#include "transports/exec/child_keeper.h"
#include "transports/exec/child_stream.h"

namespace sidecall {
namespace {

bool Watch(int events, int descriptor) {
  epoll_event event{};
  event.events = EPOLLIN;
  return epoll_ctl(events, EPOLL_CTL_ADD, descriptor, &event) == 0;
}

void Unwatch(int events, int descriptor) {
  epoll_ctl(events, EPOLL_CTL_DEL, descriptor, nullptr);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Listener>> ExecListener::Listen(ChildCommand command) {
  UniqueFd events(epoll_create1(EPOLL_CLOEXEC));
  UniqueFd pause(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!events.valid() || !pause.valid() || !Watch(events.get(), pause.get())) {
    return ErrnoStatus(errno, "listen for a child");
  }
  std::unique_ptr<ExecListener> listener(
      new ExecListener(std::move(command), std::move(events), std::move(pause)));
  absl::Status started = listener->Start();
  if (!started.ok()) return started;
  return listener;
}

ExecListener::~ExecListener() {
  if (!greeting_.has_value()) return;
  greeting_->child->record()->SetLetGo();
  ChildKeeper::LetGo(greeting_->child, absl::ZeroDuration());
}

absl::Status ExecListener::Start() {
  auto keeper = ChildKeeper::OfProcess();
  if (!keeper.ok()) return keeper.status();
  auto started = (*keeper)->Start(command_);
  if (!started.ok()) return started.status();
  restarts_.Add(started->child->record());
  fcntl(started->in.get(), F_SETFL, O_NONBLOCK);
  // Its end is the end of the pipe, and ready as well.
  if (!Watch(events_.get(), started->in.get())) return ErrnoStatus(errno, "epoll_ctl");
  expected_.emplace(started->cookie);
  greeting_ = *std::move(started);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Connection>> ExecListener::Greet() {
  const absl::StatusOr<bool> greeted = expected_->ReadFrom(greeting_->in.get(), *greeting_->child->record());
  if (greeted.ok() && !*greeted) return nullptr;
  StartedChild started = *std::exchange(greeting_, std::nullopt);
  Unwatch(events_.get(), started.in.get());
  child_ = started.child;
  if (!greeted.ok()) ChildKeeper::LetGo(child_, absl::ZeroDuration());
  if (!Watch(events_.get(), child_->process().get())) return ErrnoStatus(errno, "epoll_ctl");
  if (!greeted.ok()) return absl::FailedPreconditionError(greeted.status().message());
  return ConnectionTo(child_, std::move(started.in), std::move(started.out), command_.options.grace);
}

absl::Status ExecListener::PlanRestart() {
  const absl::StatusOr<int64_t> next = restarts_.Next(command_);
  if (!next.ok()) return next.status();
  const int64_t wait = std::max<int64_t>(*next - MonotonicNanos(), 1);
  const itimerspec once{.it_interval = {},
                        .it_value = {.tv_sec = wait / 1'000'000'000, .tv_nsec = wait % 1'000'000'000}};
  timerfd_settime(pause_.get(), 0, &once, nullptr);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Connection>> ExecListener::Accept() {
  if (greeting_.has_value()) return Greet();
  if (child_ != nullptr) {
    pollfd process{.fd = child_->process().get(), .events = POLLIN, .revents = 0};
    if (poll(&process, 1, 0) != 1) return nullptr;
    Unwatch(events_.get(), child_->process().get());
    (void)child_->record()->AwaitEnd(std::chrono::seconds(1));
    child_ = nullptr;
    absl::Status planned = PlanRestart();
    if (!planned.ok()) return planned;
    return nullptr;
  }
  uint64_t expirations = 0;
  if (read(pause_.get(), &expirations, sizeof expirations) < 0) return nullptr;
  absl::Status started = Start();
  if (started.ok()) return nullptr;
  // What could not be started now may be later.
  const itimerspec later{.it_interval = {}, .it_value = {.tv_sec = 1, .tv_nsec = 0}};
  timerfd_settime(pause_.get(), 0, &later, nullptr);
  return absl::FailedPreconditionError(started.message());
}

}  // namespace sidecall
