// ServerContext: what a handler may know of the call that it serves, and say beside its reply.
//
//   absl::Status SayHello(sidecall::ServerContext* context, const HelloRequest* request, HelloReply* reply) {
//     if (context->peer().uid != 0) return absl::PermissionDeniedError("root only");
//     ...
//
// Valid while the handler runs. Thread-safety: IsCancelled and TryCancel from any thread, the rest from one
// at a time.
#ifndef SIDECALL_SERVER_CONTEXT_H_
#define SIDECALL_SERVER_CONTEXT_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "absl/time/time.h"
#include "sidecall/call_priority.h"
#include "sidecall/internal/cancel_group.h"
#include "sidecall/metadata.h"
#include "sidecall/peer_identity.h"

namespace sidecall {

namespace internal {
class ServerCall;
}  // namespace internal

class ServerContext {
 public:
  ServerContext() = default;
  ServerContext(const ServerContext&) = delete;
  ServerContext& operator=(const ServerContext&) = delete;

  // Who calls, as the kernel vouches for it.
  const PeerIdentity& peer() const { return *peer_; }

  // What the client sent with the call.
  const Metadata& client_metadata() const { return client_metadata_; }

  // Sent with the reply, until the handler returns; the initial ones of a stream before its first message.
  void AddInitialMetadata(std::string_view key, std::string_view value) { initial_metadata_.Add(key, value); }
  void AddTrailingMetadata(std::string_view key, std::string_view value) {
    trailing_metadata_.Add(key, value);
  }

  // The client's deadline; absl::InfiniteFuture() where it set none.
  absl::Time deadline() const;

  // As the client set it.
  CallPriority priority() const { return priority_; }

  // True once nobody waits for the reply: the client cancelled or died, the deadline passed, the server is
  // shutting down by force.
  bool IsCancelled() const;

  // Has `callback` called once when IsCancelled() becomes true; soon, where it is true already. Never after
  // the handler has returned: it is waited for where it runs then. Replaces the callback before. Called on a
  // thread that the server keeps for this, one callback at a time: it had better wake somebody, and not work
  // itself.
  void NotifyOnCancel(std::function<void()> callback);

  // Ends the call with CANCELLED, whatever the handler returns: as if the client had cancelled, but that the
  // client hears of it when the handler has returned.
  void TryCancel();

  // -- For the runtime --------------------------------------------------------------------------------------
  // `call`, null where nothing is to be cancelled by the handler, and `peer` must outlive this object;
  // `deadline_nanos` is absolute CLOCK_MONOTONIC, 0 for none.
  void Start(internal::ServerCall* call, const PeerIdentity& peer, int64_t deadline_nanos,
             CallPriority priority = CallPriority::kNormal);
  void MarkCancelled();
  bool cancelled() const { return cancelled_.load(std::memory_order_acquire); }
  int64_t deadline_nanos() const { return deadline_nanos_; }
  // What calls that the handler makes are to join.
  std::shared_ptr<internal::CancelGroup> nested_calls() const;
  Metadata& mutable_client_metadata() { return client_metadata_; }
  // Of the trace hook's span; empty where there is none.
  const std::string& trace_parent() const { return trace_parent_; }
  void set_trace_parent(std::string trace_parent) { trace_parent_ = std::move(trace_parent); }
  const Metadata& initial_metadata() const { return initial_metadata_; }
  const Metadata& trailing_metadata() const { return trailing_metadata_; }

 private:
  internal::ServerCall* call_ = nullptr;
  const PeerIdentity* peer_ = nullptr;
  int64_t deadline_nanos_ = 0;
  CallPriority priority_ = CallPriority::kNormal;
  std::atomic<bool> cancelled_{false};
  mutable std::mutex nested_mutex_;
  mutable std::shared_ptr<internal::CancelGroup> nested_;  // made when first asked for
  Metadata client_metadata_;
  Metadata initial_metadata_;
  Metadata trailing_metadata_;
  std::string trace_parent_;
};

}  // namespace sidecall

#endif  // SIDECALL_SERVER_CONTEXT_H_
