// Endpoint: one server of a service, as a channel that is created with the service's name knows it.
#ifndef SIDECALL_CORE_ENDPOINT_H_
#define SIDECALL_CORE_ENDPOINT_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "core/frame_engine.h"
#include "registry/resolver.h"

namespace sidecall {

// Used again for another server once nobody uses it. The channel keeps its memory for as long as it lives: a
// thread may come with a stale pointer, finds it closed, and goes.
class Endpoint {
 public:
  // All under NamedEngine's mutex, but for open(), users(), and server() of one that is in use.
  // REQUIRES: vacant.
  void Open(ServerInstance server, std::unique_ptr<FrameEngine> engine) {
    server_ = std::move(server);
    engine_ = std::move(engine);
    avoid_until_nanos_ = 0;
    open_.store(true, std::memory_order_seq_cst);
  }
  // Calls go on; new ones do not begin.
  void Close() { open_.store(false, std::memory_order_seq_cst); }
  bool open() const { return open_.load(std::memory_order_seq_cst); }
  bool vacant() const { return !open() && users() == 0 && engine_ == nullptr; }
  // Where it is closed and nobody uses it: what is to be destroyed, without any lock.
  std::unique_ptr<FrameEngine> TakeUnused() { return !open() && users() == 0 ? std::move(engine_) : nullptr; }

  const ServerInstance& server() const { return server_; }
  uint32_t users() const { return users_.load(std::memory_order_seq_cst); }
  // Where it failed a call, others are tried first, for a while.
  void AvoidUntil(int64_t nanos) { avoid_until_nanos_ = nanos; }
  int64_t avoid_until_nanos() const { return avoid_until_nanos_; }

 private:
  friend class EndpointUse;
  // Who uses it counts itself, then looks whether it is open; who closes it does that, then looks at the
  // count. So either the engine is kept, or the use finds the endpoint closed.
  std::atomic<uint32_t> users_{0};
  std::atomic<bool> open_{false};
  std::unique_ptr<FrameEngine> engine_;
  ServerInstance server_;
  int64_t avoid_until_nanos_ = 0;
};

// Keeps an endpoint's engine, for one call. Any thread.
class EndpointUse {
 public:
  EndpointUse() = default;
  // Empty where it has been closed.
  explicit EndpointUse(Endpoint& endpoint) {
    endpoint.users_.fetch_add(1, std::memory_order_seq_cst);
    endpoint_ = &endpoint;
    if (!endpoint.open()) [[unlikely]] {
      Release();
    }
  }
  EndpointUse(EndpointUse&& other) noexcept : endpoint_(std::exchange(other.endpoint_, nullptr)) {}
  EndpointUse& operator=(EndpointUse&& other) noexcept {
    std::swap(endpoint_, other.endpoint_);
    return *this;
  }
  ~EndpointUse() { Release(); }

  explicit operator bool() const { return endpoint_ != nullptr; }
  Endpoint& endpoint() const { return *endpoint_; }
  FrameEngine& engine() const { return *endpoint_->engine_; }

 private:
  void Release() {
    if (endpoint_ != nullptr)
      std::exchange(endpoint_, nullptr)->users_.fetch_sub(1, std::memory_order_seq_cst);
  }

  Endpoint* endpoint_ = nullptr;
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_ENDPOINT_H_
