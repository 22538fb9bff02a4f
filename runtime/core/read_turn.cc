#include "core/read_turn.h"

#include <algorithm>
#include <chrono>

namespace sidecall {
namespace {

constexpr std::chrono::microseconds kShortestNap{100};
constexpr std::chrono::microseconds kLongestNap{100'000};

}  // namespace

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
  // Each time it looks again, for a read that had looked at `closed_` just before it left, and so told
  // nobody.
  for (auto nap = kShortestNap; inside_.load(std::memory_order_seq_cst);
       nap = std::min(2 * nap, kLongestNap)) {
    left_.wait_for(lock, nap);
  }
}

void ReadTurn::LeaveAndTell() {
  const std::lock_guard lock(mutex_);
  inside_.store(false, std::memory_order_release);
  left_.notify_all();
}

}  // namespace sidecall
