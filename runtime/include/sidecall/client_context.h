// ClientContext: what one call carries beside its request, and what came back beside its reply.
//
//   sidecall::ClientContext context;
//   context.set_timeout(absl::Seconds(1));
//   absl::Status status = stub.SayHello(&context, request, &reply);
//
// One context serves one call. Thread-safety: as a std::string.
#ifndef SIDECALL_CLIENT_CONTEXT_H_
#define SIDECALL_CLIENT_CONTEXT_H_

#include <cstdint>
#include <string_view>

#include "absl/time/time.h"
#include "sidecall/metadata.h"
#include "sidecall/peer_identity.h"

namespace sidecall {

class ClientContext {
 public:
  // Deadlines of a call that has none, and of one that was late when it was set.
  static constexpr int64_t kNoDeadline = 0;
  static constexpr int64_t kPassedDeadline = 1;

  ClientContext() = default;
  ClientContext(const ClientContext&) = delete;
  ClientContext& operator=(const ClientContext&) = delete;

  // The call ends with DEADLINE_EXCEEDED at that moment. The wall clock is read here, once: should it jump
  // afterwards, the deadline does not. absl::InfiniteFuture() means none, which is the default.
  void set_deadline(absl::Time deadline);
  // The same, counted from now.
  void set_timeout(absl::Duration timeout);

  // Sent with the call. Must not be called once the call has started.
  void AddMetadata(std::string_view key, std::string_view value) { metadata_.Add(key, value); }

  // What the server sent before its first message, and with its status. Filled when the call has ended.
  const Metadata& server_initial_metadata() const { return server_initial_metadata_; }
  const Metadata& server_trailing_metadata() const { return server_trailing_metadata_; }

  // Who answered. Filled when the call has ended.
  const PeerIdentity& peer() const { return peer_; }

  // -- For the runtime --------------------------------------------------------------------------------------
  // Absolute CLOCK_MONOTONIC nanoseconds, or kNoDeadline.
  int64_t deadline_nanos() const { return deadline_nanos_; }
  const Metadata& metadata() const { return metadata_; }
  Metadata& mutable_server_initial_metadata() { return server_initial_metadata_; }
  Metadata& mutable_server_trailing_metadata() { return server_trailing_metadata_; }
  void set_peer(const PeerIdentity& peer) { peer_ = peer; }

 private:
  int64_t deadline_nanos_ = kNoDeadline;
  Metadata metadata_;
  Metadata server_initial_metadata_;
  Metadata server_trailing_metadata_;
  PeerIdentity peer_;
};

}  // namespace sidecall

#endif  // SIDECALL_CLIENT_CONTEXT_H_
