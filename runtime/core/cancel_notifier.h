// CancelNotifier: has handlers told that nobody waits for their reply, on one thread of its own, which is
// made when a handler first asks for it, and sleeps while none is to be told.
//
// Not on the thread that reads of the cancel: that one holds the reader role, and runs no user code.
//
// Thread-safety: any thread.
#ifndef SIDECALL_CORE_CANCEL_NOTIFIER_H_
#define SIDECALL_CORE_CANCEL_NOTIFIER_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>
#include <utility>

#include "sidecall/server_context.h"

namespace sidecall {

class CancelNotifier {
 public:
  CancelNotifier() = default;
  // Callbacks that have not begun never do.
  ~CancelNotifier();

  // Calls `callback` once `context` is cancelled or its deadline has passed; in place of the one before.
  void Add(const ServerContext& context, std::function<void()> callback);
  // `context` was cancelled just now.
  void Notify(const ServerContext& context);
  // The callback of `context` does not run when this returns, unless it is that which calls this.
  void Remove(const ServerContext& context);
  // In a callback.
  bool IsOnItsThread() const;

 private:
  using Deadline = std::pair<int64_t, const ServerContext*>;

  void Run();
  void TakeLate();

  mutable std::mutex mutex_;
  std::condition_variable changed_;  // something is due, or the thread is to end
  std::condition_variable ran_;      // a callback has returned
  std::unordered_map<const ServerContext*, std::function<void()>> callbacks_;
  std::set<Deadline> deadlines_;            // of those that have one, and are not due
  std::deque<const ServerContext*> due_;    // some may have no callback any more
  const ServerContext* running_ = nullptr;  // whose callback runs
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_CANCEL_NOTIFIER_H_
