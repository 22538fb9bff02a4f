// What the kernel says that a thread is at.
#ifndef SIDECALL_TESTS_HARNESS_CALL_THREAD_STATE_H_
#define SIDECALL_TESTS_HARNESS_CALL_THREAD_STATE_H_

#include <sys/types.h>

#include <atomic>

namespace conformance {

// R, S, T, Z, ... of that thread of the process; 0 where there is no such one.
char StateOfThread(pid_t process, pid_t thread);
// Waits until a thread of this process sleeps, once it has told its number (gettid), which is 0 before.
void AwaitSleepOf(const std::atomic<pid_t>& thread);

}  // namespace conformance

#endif  // SIDECALL_TESTS_HARNESS_CALL_THREAD_STATE_H_
