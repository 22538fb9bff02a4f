#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "transport/clock.h"
#include "transport/errno_status.h"
#include "transport/event_loop.h"
#include "transport/unique_fd.h"

namespace sidecall {
namespace {

constexpr uint64_t kWakeToken = UINT64_MAX;

uint32_t EpollEvents(short events) {
  uint32_t mask = EPOLLET | EPOLLRDHUP;
  if ((events & POLLIN) != 0) mask |= EPOLLIN;
  if ((events & POLLOUT) != 0) mask |= EPOLLOUT;
  return mask;
}

class EpollEventLoop final : public EventLoop {
 public:
  EpollEventLoop(UniqueFd epoll, UniqueFd wake) : epoll_(std::move(epoll)), wake_(std::move(wake)) {}

  absl::Status Add(int fd, short events, uint64_t token) override {
    if (events == 0) return absl::OkStatus();
    return Control(EPOLL_CTL_ADD, fd, EpollEvents(events), token);
  }
  // An fd that nothing is wanted of is taken out of the epoll: there are files that wake whoever watches them
  // with every change, whatever they watch for (message queues do).
  absl::Status Modify(int fd, short events, uint64_t token) override {
    if (events == 0) {
      Remove(fd, token);
      return absl::OkStatus();
    }
    absl::Status modified = Control(EPOLL_CTL_MOD, fd, EpollEvents(events), token);
    return absl::IsNotFound(modified) ? Add(fd, events, token) : modified;
  }
  void Remove(int fd, uint64_t /*token*/) override { epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

  void Wait(int64_t deadline_nanos, std::vector<Ready>& ready) override {
    Events events;
    const int count = WaitUntil(deadline_nanos, events);
    for (int i = 0; i < count; i++) {
      if (events[i].data.u64 == kWakeToken) continue;
      const bool ended = (events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
      ready.push_back({.token = events[i].data.u64, .ended = ended});
    }
  }

  void Wake() override {
    // Edge-triggered: every write is reported, none has to be read. The counter would take centuries to fill.
    const uint64_t one = 1;
    (void)!write(wake_.get(), &one, sizeof one);
  }

  int descriptor() const override { return epoll_.get(); }
  std::string_view name() const override { return "epoll"; }

  absl::Status Control(int operation, int fd, uint32_t events, uint64_t token) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = token;
    if (epoll_ctl(epoll_.get(), operation, fd, &event) == 0) return absl::OkStatus();
    return ErrnoStatus(errno, "epoll_ctl");
  }

 private:
  using Events = std::array<epoll_event, 64>;
  int WaitUntil(int64_t deadline_nanos, Events& events) {
    if (deadline_nanos != 0 && deadline_nanos != kInfiniteFutureNanos && nanoseconds_) {
      const int64_t left = std::max<int64_t>(deadline_nanos - MonotonicNanos(), 0);
      const timespec timeout{.tv_sec = left / 1'000'000'000, .tv_nsec = left % 1'000'000'000};
      const int count = epoll_pwait2(epoll_.get(), events.data(), events.size(), &timeout, nullptr);
      if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return count;
      nanoseconds_ = false;  // A kernel before 5.11, or a sandbox that has not heard of it.
    }
    return epoll_wait(epoll_.get(), events.data(), events.size(), Milliseconds(deadline_nanos));
  }

  // Rounded up: to wake a little late is harmless, to wake early would spin.
  static int Milliseconds(int64_t deadline_nanos) {
    if (deadline_nanos == 0) return 0;
    if (deadline_nanos == kInfiniteFutureNanos) return -1;
    const int64_t left = std::max<int64_t>(deadline_nanos - MonotonicNanos(), 0);
    return static_cast<int>(std::min<int64_t>((left + 999'999) / 1'000'000, 1'000'000));
  }

  UniqueFd epoll_;
  UniqueFd wake_;
  bool nanoseconds_ = true;  // epoll_pwait2 is there; the waiting thread's
};

}  // namespace

absl::StatusOr<std::unique_ptr<EventLoop>> MakeEpollEventLoop() {
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return ErrnoStatus(errno, "epoll_create1");
  UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid()) return ErrnoStatus(errno, "eventfd");
  const int wake_fd = wake.get();
  auto loop = std::make_unique<EpollEventLoop>(std::move(epoll), std::move(wake));
  absl::Status added = loop->Control(EPOLL_CTL_ADD, wake_fd, EPOLLIN | EPOLLET, kWakeToken);
  if (!added.ok()) return added;
  return loop;
}

}  // namespace sidecall
