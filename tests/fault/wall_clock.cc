// clock_gettime of this program: the kernel's, but that CLOCK_REALTIME may have jumped. A program's own
// definition goes before the C library's, for all of its libraries, too: so a wall clock that jumps can be
// tested without touching the machine's.
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>

#include "fault_roles.h"

namespace fault {
namespace {

std::atomic<long> jumped_seconds{0};

}  // namespace

void JumpWallClock(long seconds) {
  jumped_seconds.store(seconds);
}

}  // namespace fault

extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const auto result = static_cast<int>(syscall(SYS_clock_gettime, clock, time));
  const bool wall = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
  if (result == 0 && wall) time->tv_sec += fault::jumped_seconds.load();
  return result;
}
