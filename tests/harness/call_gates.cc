#include "call_gates.h"

#include "call_patience.h"

namespace conformance {

bool Gates::Pass(const std::string& gate, sidecall::ServerContext& context) {
  context.NotifyOnCancel([this] {
    const std::lock_guard lock(mutex_);
    changed_.notify_all();
  });
  std::unique_lock lock(mutex_);
  Gate& own = gates_[gate];
  own.arrivals++;
  Tell(gate, own);
  changed_.wait(lock, [&] { return own.open || context.IsCancelled(); });
  if (own.open) return true;
  own.cancels++;
  Tell(gate, own);
  return false;
}

void Gates::Tell(const std::string& gate, const Gate& own) {
  changed_.notify_all();
  if (observer_) observer_(gate, own.arrivals, own.cancels);
}

bool Gates::AwaitOpen(const std::string& gate) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] { return gates_[gate].open; });
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
