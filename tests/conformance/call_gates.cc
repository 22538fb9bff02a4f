#include "call_gates.h"

#include <chrono>

#include "call_patience.h"

namespace conformance {

bool Gates::Pass(const std::string& gate, const sidecall::ServerContext& context) {
  // A context tells of a cancel only when asked.
  constexpr std::chrono::milliseconds kLook{5};
  std::unique_lock lock(mutex_);
  Gate& own = gates_[gate];
  own.arrivals++;
  changed_.notify_all();
  while (!own.open && !context.IsCancelled()) changed_.wait_for(lock, kLook);
  if (own.open) return true;
  own.cancels++;
  changed_.notify_all();
  return false;
}

void Gates::Open(const std::string& gate) {
  std::lock_guard lock(mutex_);
  gates_[gate].open = true;
  changed_.notify_all();
}

bool Gates::AwaitArrivals(const std::string& gate, int count) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] { return gates_[gate].arrivals >= count; });
}

bool Gates::AwaitCancels(const std::string& gate, int count) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] { return gates_[gate].cancels >= count; });
}

}  // namespace conformance
