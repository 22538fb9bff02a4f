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

// What a callback holds is the user's, and goes without the mutex: here the one before, with the parameter.
void CancelNotifier::Add(const ServerContext& context, std::function<void()> callback) {
  const std::lock_guard lock(mutex_);
  callbacks_[&context].swap(callback);
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
  std::function<void()> removed;
  std::unique_lock lock(mutex_);
  if (auto found = callbacks_.find(&context); found != callbacks_.end()) {
    removed = std::move(found->second);
    callbacks_.erase(found);
    deadlines_.erase({context.deadline_nanos(), &context});
  }
  std::erase(due_, &context);
  if (thread_.get_id() == std::this_thread::get_id()) return;
  ran_.wait(lock, [&] { return running_ != &context; });
}

bool CancelNotifier::IsOnItsThread() const {
  const std::lock_guard lock(mutex_);
  return thread_.get_id() == std::this_thread::get_id();
}

void CancelNotifier::TakeLate() {
  const int64_t now = MonotonicNanos();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    due_.push_back(deadlines_.begin()->second);
    deadlines_.erase(deadlines_.begin());
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
      std::function<void()> callback = std::move(found->second);
      callbacks_.erase(found);
      deadlines_.erase({context->deadline_nanos(), context});
      running_ = context;
      lock.unlock();
      try {
        callback();
      } catch (...) {
        // It has nobody to tell: the call is over as it is.
      }
      callback = nullptr;
      lock.lock();
      running_ = nullptr;
      ran_.notify_all();
    }
  }
}

}  // namespace sidecall
