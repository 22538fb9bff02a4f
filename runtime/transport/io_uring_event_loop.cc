#include <liburing.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <unordered_map>

#include "transport/clock.h"
#include "transport/errno_status.h"
#include "transport/event_loop.h"
#include "transport/unique_fd.h"

namespace sidecall {
namespace {

constexpr uint64_t kWakeToken = (uint64_t{1} << 40) - 1;
constexpr int kGenerationShift = 40;

// Multishot polls on a ring that several threads may enter, so neither SINGLE_ISSUER nor DEFER_TASKRUN: the
// thread that waits is whichever has the reader role.
class IoUringEventLoop final : public EventLoop {
 public:
  static absl::StatusOr<std::unique_ptr<EventLoop>> Make() {
    auto loop = std::make_unique<IoUringEventLoop>();
    const int error = io_uring_queue_init(256, &loop->ring_, IORING_SETUP_CLAMP);
    if (error < 0) return ErrnoStatus(-error, "io_uring_setup");
    loop->ring_made_ = true;
    loop->wake_ = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!loop->wake_.valid()) return ErrnoStatus(errno, "eventfd");
    return loop;
  }

  ~IoUringEventLoop() override {
    if (ring_made_) io_uring_queue_exit(&ring_);
  }

  absl::Status Add(int fd, short events, uint64_t token) override {
    std::lock_guard lock(mutex_);
    polls_[token] = {.fd = fd, .events = events, .generation = ++generation_};
    return SubmitPoll(token);
  }

  absl::Status Modify(int fd, short events, uint64_t token) override {
    std::lock_guard lock(mutex_);
    CancelPoll(token);
    polls_[token] = {.fd = fd, .events = events, .generation = ++generation_};
    return SubmitPoll(token);
  }

  void Remove(int /*fd*/, uint64_t token) override {
    std::lock_guard lock(mutex_);
    CancelPoll(token);
    polls_.erase(token);
    io_uring_submit(&ring_);
  }

  void Wait(int64_t deadline_nanos, std::vector<Ready>& ready) override {
    // Not when the loop is made: completions interrupt the thread that submitted the poll, and that was the
    // user's.
    if (!wake_polled_) wake_polled_ = Add(wake_.get(), POLLIN, kWakeToken).ok();
    io_uring_cqe* cqe = nullptr;
    if (io_uring_peek_cqe(&ring_, &cqe) != 0 && deadline_nanos != 0) {
      __kernel_timespec timeout{};
      if (deadline_nanos != kInfiniteFutureNanos) {
        const int64_t left = std::max<int64_t>(deadline_nanos - MonotonicNanos(), 0);
        timeout = {.tv_sec = left / 1'000'000'000, .tv_nsec = left % 1'000'000'000};
      }
      io_uring_wait_cqe_timeout(&ring_, &cqe, deadline_nanos == kInfiniteFutureNanos ? nullptr : &timeout);
    }
    unsigned head = 0;
    unsigned seen = 0;
    std::lock_guard lock(mutex_);
    io_uring_for_each_cqe(&ring_, head, cqe) {
      seen++;
      Take(*cqe, ready);
    }
    io_uring_cq_advance(&ring_, seen);
  }

  void Wake() override {
    const uint64_t one = 1;
    (void)!write(wake_.get(), &one, sizeof one);
  }

  int descriptor() const override { return ring_.ring_fd; }
  std::string_view name() const override { return "io_uring"; }

 private:
  struct PollEntry {
    int fd = -1;
    short events = 0;
    uint64_t generation = 0;
  };

  static uint64_t UserData(uint64_t token, uint64_t generation) {
    return (generation << kGenerationShift) | token;
  }

  void Take(const io_uring_cqe& cqe, std::vector<Ready>& ready) {
    const uint64_t token = cqe.user_data & kWakeToken;
    auto found = polls_.find(token);
    // Another generation is the echo of a poll that was removed.
    if (found == polls_.end() || UserData(token, found->second.generation) != cqe.user_data) return;
    // The kernel ends a multishot poll when its queue overflows or the thread that submitted it has gone.
    if ((cqe.flags & IORING_CQE_F_MORE) == 0) (void)SubmitPoll(token);
    if (token == kWakeToken) return;
    const bool ended = cqe.res < 0 || (cqe.res & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
    ready.push_back({.token = token, .ended = ended});
  }

  io_uring_sqe* Sqe() {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    if (sqe == nullptr) {
      io_uring_submit(&ring_);
      sqe = io_uring_get_sqe(&ring_);
    }
    return sqe;
  }

  absl::Status SubmitPoll(uint64_t token) {
    const PollEntry& entry = polls_[token];
    if (entry.events != 0) {
      io_uring_sqe* sqe = Sqe();
      if (sqe == nullptr) return absl::ResourceExhaustedError("io_uring: the submission queue is full");
      io_uring_prep_poll_multishot(sqe, entry.fd, static_cast<unsigned>(entry.events) | POLLRDHUP);
      io_uring_sqe_set_data64(sqe, UserData(token, entry.generation));
    }
    const int submitted = io_uring_submit(&ring_);
    return submitted >= 0 ? absl::OkStatus() : ErrnoStatus(-submitted, "io_uring_enter");
  }

  void CancelPoll(uint64_t token) {
    auto found = polls_.find(token);
    if (found == polls_.end()) return;
    io_uring_sqe* sqe = Sqe();
    if (sqe == nullptr) return;
    io_uring_prep_poll_remove(sqe, UserData(token, found->second.generation));
    io_uring_sqe_set_data64(sqe, UserData(0, 0));
  }

  io_uring ring_{};
  bool ring_made_ = false;
  UniqueFd wake_;
  bool wake_polled_ = false;  // the waiting thread's
  std::mutex mutex_;          // the submission queue and polls_
  std::unordered_map<uint64_t, PollEntry> polls_;
  uint64_t generation_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<EventLoop>> MakeIoUringEventLoop() {
  return IoUringEventLoop::Make();
}

}  // namespace sidecall
