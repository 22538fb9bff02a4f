#include "core/read_turn.h"

namespace sidecall {

// The first read of a thread, and every one where there is no fence for both.
bool ReadTurn::EnterAnew() {
  inside_.store(true, std::memory_order_seq_cst);
  if (with_process_fence_) reader_.store(&this_thread_, std::memory_order_seq_cst);
  if (!closed_.load(std::memory_order_seq_cst)) return true;
  Leave();
  return false;
}

void ReadTurn::Close() {
  closed_.store(true, std::memory_order_seq_cst);
  const void* reader = reader_.load(std::memory_order_seq_cst);
  // Null: a read that begins now stores, and looks, behind fences of its own.
  if (reader != nullptr && reader != &this_thread_) ProcessFence::Issue();
  std::unique_lock lock(mutex_);
  left_.wait(lock, [this] { return !inside_.load(std::memory_order_seq_cst); });
}

void ReadTurn::WakeCloser() {
  const std::lock_guard lock(mutex_);
  left_.notify_all();
}

}  // namespace sidecall
