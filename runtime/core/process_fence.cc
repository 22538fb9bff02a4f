#include "core/process_fence.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <thread>

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
  if (Command(MEMBARRIER_CMD_PRIVATE_EXPEDITED)) return;
  // A sandbox that was entered since refuses it. No core keeps a store to itself for as long as this.
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

}  // namespace sidecall
