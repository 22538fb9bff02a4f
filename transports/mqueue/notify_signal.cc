#include "transports/mqueue/notify_signal.h"

#include <mqueue.h>
#include <sched.h>
#include <signal.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <utility>

#include "transport/errno_status.h"

namespace sidecall {
namespace {

constexpr size_t kSlots = 1024;
constexpr timespec kSoon{.tv_sec = 0, .tv_nsec = 100'000'000};
constexpr timespec kNow{.tv_sec = 0, .tv_nsec = 1};

void SetTimer(int timer, const timespec& delay) {
  const itimerspec once{.it_interval = {}, .it_value = delay};
  timerfd_settime(timer, 0, &once, nullptr);
}

// Which timer a signal is for: it names a slot. Never destroyed: signals may come until the very end.
struct Slots {
  std::mutex mutex;
  pid_t process = 0;                              // whose they are: in a child of fork() all are free
  int signal = 0;                                 // 0: none yet
  std::array<std::atomic<int>, kSlots> timers{};  // descriptors; 0: free
  std::atomic<int> handlers{0};                   // that run now
};

Slots& TheSlots() {
  static Slots& slots = *new Slots;
  return slots;
}

void OnSignal(int /*signal*/, siginfo_t* info, void* /*context*/) {
  const int error = errno;
  Slots& slots = TheSlots();
  // Anybody of this user may send the signal, with whatever value.
  const auto slot = static_cast<size_t>(info->si_value.sival_int);
  // Pairs with ~NotifySignal: either that waits for this handler, or this finds the slot free.
  slots.handlers.fetch_add(1, std::memory_order_seq_cst);
  const int timer = slot < kSlots ? slots.timers[slot].load(std::memory_order_seq_cst) : 0;
  if (timer > 0) SetTimer(timer, kNow);
  slots.handlers.fetch_sub(1, std::memory_order_seq_cst);
  errno = error;
}

// The last real-time signal that has no handler; 0 where there is none.
int TakeSignal() {
  for (int signal = SIGRTMAX; signal >= SIGRTMIN; signal--) {
    struct sigaction before {};
    if (sigaction(signal, nullptr, &before) != 0 || before.sa_handler != SIG_DFL) continue;
    struct sigaction ours {};
    ours.sa_sigaction = OnSignal;
    ours.sa_flags = SA_SIGINFO | SA_RESTART;
    sigemptyset(&ours.sa_mask);
    if (sigaction(signal, &ours, nullptr) == 0) return signal;
  }
  return 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<NotifySignal>> NotifySignal::Make() {
  UniqueFd timer(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer.valid()) return ErrnoStatus(errno, "timerfd_create");
  Slots& slots = TheSlots();
  const std::lock_guard lock(slots.mutex);
  if (std::exchange(slots.process, getpid()) != getpid()) {
    for (std::atomic<int>& other : slots.timers) other.store(0, std::memory_order_relaxed);
  }
  if (slots.signal == 0) slots.signal = TakeSignal();
  if (slots.signal == 0) {
    return absl::ResourceExhaustedError(
        "this process handles all real-time signals, and wakeup=signal needs one. Leave it one, or leave the "
        "option out");
  }
  for (size_t slot = 0; slot < kSlots; slot++) {
    if (slots.timers[slot].load(std::memory_order_relaxed) != 0) continue;
    slots.timers[slot].store(timer.get(), std::memory_order_release);
    return std::unique_ptr<NotifySignal>(new NotifySignal(slot, std::move(timer)));
  }
  return absl::ResourceExhaustedError("this process has 1024 connections with wakeup=signal. Close some");
}

NotifySignal::~NotifySignal() {
  Slots& slots = TheSlots();
  const std::lock_guard lock(slots.mutex);
  if (slots.process != getpid()) return;
  slots.timers[slot_].store(0, std::memory_order_seq_cst);
  // One that has seen the timer must not set what gets its number next.
  while (slots.handlers.load(std::memory_order_seq_cst) > 0) sched_yield();
}

void NotifySignal::Request(int queue) const {
  // Before the request, whose signal may come at once and set it anew.
  SetTimer(timer_.get(), kSoon);
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = TheSlots().signal;
  event.sigev_value.sival_int = static_cast<int>(slot_);
  // EBUSY: the request before still holds. Whatever else: the timer tells.
  (void)mq_notify(queue, &event);
}

}  // namespace sidecall
