// ProcessFence: one thread, which seldom does, pays for the fences of all. Where two sides each store, and
// then load what the other stores, either needs a fence between the two; with this one the side that is often
// there needs to keep its compiler from reordering them, and no more.
//
// Source: membarrier(2), MEMBARRIER_CMD_PRIVATE_EXPEDITED; 3 us where another thread runs.
#ifndef SIDECALL_CORE_PROCESS_FENCE_H_
#define SIDECALL_CORE_PROCESS_FENCE_H_

namespace sidecall {

class ProcessFence {
 public:
  // False where the kernel, or a sandbox that the program was started in, does not offer it: then both sides
  // need a fence of their own.
  static bool available();
  // Each thread of this process has passed a fence when it returns. REQUIRES: available.
  static void Issue();
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_PROCESS_FENCE_H_
