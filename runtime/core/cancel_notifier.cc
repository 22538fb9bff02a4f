#include "core/cancel_notifier.h"

#include <chrono>
#include <exception>

#include "transport/clock.h"

namespace sidecall {

CancelNotifier::~CancelNotifier() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void CancelNotifier::Add(const ServerContext& context, std::function<void()> callback) {
  const std::lock_guard lock(mutex_);
  callbacks_[&context] = std::move(callback);
  if (context.deadline_nanos() != 0) deadlines_.emplace(context.deadline_nanos(), &context);
  // Whoever cancels it from now on finds the callback.
  if (context.IsCancelled()) due_.push_back(&context);
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
  changed_.notify_all();
}

void CancelNotifier::Notify(const ServerContext& context) {
  const std::lock_guard lock(mutex_);
  if (callbacks_.count(&context) == 0) return;
  due_.push_back(&context);
  changed_.notify_all();
}

void CancelNotifier::Remove(const ServerContext& context) {
  std::unique_lock lock(mutex_);
  Erase(context);
  std::erase(due_, &context);
  if (thread_.get_id() == std::this_thread::get_id()) return;
  ran_.wait(lock, [&] { return running_ != &context; });
}

void CancelNotifier::Erase(const ServerContext& context) {
  callbacks_.erase(&context);
  deadlines_.erase({context.deadline_nanos(), &context});
}

void CancelNotifier::TakeLate() {
  const int64_t now = MonotonicNanos();
  for (const auto& [deadline, context] : deadlines_) {
    if (deadline > now) return;
    due_.push_back(context);
  }
}

void CancelNotifier::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    TakeLate();
    if (due_.empty() && deadlines_.empty()) {
      changed_.wait(lock);
    } else if (due_.empty()) {
      // steady_clock is CLOCK_MONOTONIC.
      const std::chrono::nanoseconds first(deadlines_.begin()->first);
      changed_.wait_until(lock, std::chrono::steady_clock::time_point(first));
    } else {
      const ServerContext* context = due_.front();
      due_.pop_front();
      auto found = callbacks_.find(context);
      if (found == callbacks_.end()) continue;
      const std::function<void()> callback = std::move(found->second);
      Erase(*context);
      running_ = context;
      lock.unlock();
      try {
        callback();
      } catch (...) {
        // It has nobody to tell: the call is over as it is.
      }
      lock.lock();
      running_ = nullptr;
      ran_.notify_all();
    }
  }
}

}  // namespace sidecall
