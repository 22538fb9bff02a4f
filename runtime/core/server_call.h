// FrameServerCall: one call that a server serves over frames. Kept by its connection, found by its index,
// used again.
#ifndef SIDECALL_CORE_SERVER_CALL_H_
#define SIDECALL_CORE_SERVER_CALL_H_

#include <atomic>
#include <cstdint>
#include <string_view>

#include "core/dispatcher.h"
#include "core/reader_role.h"
#include "sidecall/internal/call_engine.h"
#include "sidecall/server_context.h"

namespace sidecall {

class ServerSession;

class FrameServerCall final : public internal::ServerCall {
 public:
  // What the handler's thread does once the request is parsed: the reader role becomes stealable.
  class BeforeHandler {
   public:
    virtual void OnRequestParsed() = 0;

   protected:
    ~BeforeHandler() = default;
  };

  explicit FrameServerCall(ServerSession& session) : session_(session) {}

  // A call begins. `method_known`: tell the client that its method id is known from now on.
  void Begin(uint32_t stream, const Dispatcher::Entry& entry, int64_t deadline_nanos, bool method_known);
  // The request's bytes, valid until the session's next Poll.
  void SetRequest(std::string_view request) { request_ = request; }
  // Runs the handler, which calls what is below.
  void Run(BeforeHandler& before);

  ServerContext& context() override { return context_; }
  absl::Status ReceiveMessage(internal::MessageTarget& request) override;
  void Finish(const absl::Status& status, const internal::MessageSource* reply) override;

  // True from Begin until the answer is on its way.
  bool open() const { return open_.load(std::memory_order_acquire); }
  void SetClosed() { open_.store(false, std::memory_order_release); }
  const internal::Method& method() const { return *entry_->method; }
  uint32_t stream() const { return stream_.load(std::memory_order_relaxed); }

 private:
  ServerSession& session_;
  std::atomic<bool> open_{false};
  std::atomic<uint32_t> stream_{0};
  const Dispatcher::Entry* entry_ = nullptr;
  std::string_view request_;
  bool method_known_ = false;
  int64_t deadline_nanos_ = 0;
  BeforeHandler* before_ = nullptr;
  ServerContext context_;
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_SERVER_CALL_H_
