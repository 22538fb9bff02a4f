// Counts the system calls that chosen threads of child processes make, by ptrace: exact, and no change to
// what they do.
#ifndef SIDECALL_TESTS_HOT_PATH_SYSCALL_COUNTER_H_
#define SIDECALL_TESTS_HOT_PATH_SYSCALL_COUNTER_H_

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>

// Lies in memory that tracer and traced processes share.
struct SyscallWindow {
  // Threads whose system calls count, while not 0.
  std::atomic<pid_t> client_thread{0};
  std::atomic<pid_t> server_thread{0};
  std::atomic<uint64_t> count{0};
};

// Forks `first`, and when that has called `ready` in it, `second`; traces both, adding to `window`, until
// `second` has ended; kills `first`. Returns second's exit status, -1 where it was killed, or kMayNotTrace.
// After `seconds` SIGALRM ends the test and its children.
inline constexpr int kMayNotTrace = -2;
int RunCounted(SyscallWindow& window, const std::function<void(const std::function<void()>& ready)>& first,
               const std::function<int()>& second, int seconds);

#endif  // SIDECALL_TESTS_HOT_PATH_SYSCALL_COUNTER_H_
