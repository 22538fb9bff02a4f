#include "core/process_fence.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace sidecall {
namespace {

bool Command(int command) {
  return syscall(SYS_membarrier, command, 0, 0) == 0;
}

// Before main, as a process of one thread registers in a microsecond, and one of several in twenty
// milliseconds.
const bool registered = Command(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);

}  // namespace

bool ProcessFence::available() {
  return registered;
}

void ProcessFence::Issue() {
  Command(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
}

}  // namespace sidecall
