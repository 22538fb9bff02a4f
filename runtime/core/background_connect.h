// BackgroundConnect: a thread that connects a channel while nobody calls. There is none until somebody asks,
// and it ends once the channel is connected.
#ifndef SIDECALL_CORE_BACKGROUND_CONNECT_H_
#define SIDECALL_CORE_BACKGROUND_CONNECT_H_

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "sidecall/client_context.h"
#include "transport/logging.h"

namespace sidecall {

// Thread-safety: any thread.
class BackgroundConnect {
 public:
  // `connect` blocks until it is connected, trying again has no use, or its context is cancelled.
  explicit BackgroundConnect(std::function<void(ClientContext&)> connect) : connect_(std::move(connect)) {}
  ~BackgroundConnect() {
    if (thread_ == nullptr) return;
    context_->TryCancel();
    thread_->join();
  }

  // No effect while it is at it.
  void Begin() {
    const std::lock_guard lock(mutex_);
    if (running_.load(std::memory_order_acquire)) return;
    if (thread_ != nullptr) thread_->join();
    thread_ = nullptr;
    context_ = std::make_unique<ClientContext>();
    context_->set_wait_for_ready(true);
    running_.store(true, std::memory_order_relaxed);
    try {
      thread_ = std::make_unique<std::thread>([this] {
        connect_(*context_);
        running_.store(false, std::memory_order_release);
      });
    } catch (const std::system_error& error) {
      running_.store(false, std::memory_order_relaxed);
      Log(LogLevel::kWarning,
          std::string("no thread to connect a channel in the background: ") + error.what());
    }
  }

  // In a child of fork(), where the thread is not: the parent's is not to be waited for.
  void Forget() {
    (void)thread_.release();
    (void)context_.release();
  }

 private:
  const std::function<void(ClientContext&)> connect_;
  std::mutex mutex_;
  std::atomic<bool> running_{false};
  std::unique_ptr<ClientContext> context_;
  std::unique_ptr<std::thread> thread_;
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_BACKGROUND_CONNECT_H_
