// PendingCall: a unary call under way. One thread may have many of them, which costs far less than waiting
// for each.
//
//   sidecall::ClientContext contexts[2];
//   hello::HelloReply replies[2];
//   sidecall::PendingCall first = stub.async().SayHello(&contexts[0], request, &replies[0]);
//   sidecall::PendingCall second = stub.async().SayHello(&contexts[1], request, &replies[1]);
//   absl::Status status = first.Finish();  // in any order
//   status.Update(second.Finish());
//
// The call begins at once, and its handler runs whether anybody is in Finish or not. Context and reply must
// outlive the call, and are not to be looked at before Finish has returned; the request is free at once.
// Waiting for one call takes in the replies to others. ClientContext::TryCancel ends a call; so does
// destroying it before Finish. To begin a call blocks where there is no connection yet, and while the server
// takes no more bytes. A call that has ended and was not finished counts among those that its connection may
// have open. Where Finish comes after the deadline, it gives the reply that is there by then.
//
// A server that is leaving refuses calls. A synchronous call goes to the next server then, by itself; of this
// one the request is gone by then: Finish gives UNAVAILABLE, IsNotSent is true, and the caller may make it
// again.
//
// Thread-safety: one thread at a time, not always the same.
#ifndef SIDECALL_PENDING_CALL_H_
#define SIDECALL_PENDING_CALL_H_

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "sidecall/channel.h"
#include "sidecall/internal/call_engine.h"

namespace sidecall {

class [[nodiscard]] PendingCall final {
 public:
  // For generated code.
  PendingCall(std::shared_ptr<Channel> channel, internal::PendingUnary& call)
      : channel_(std::move(channel)), call_(&call) {}
  PendingCall(PendingCall&& other) noexcept
      : channel_(std::move(other.channel_)), call_(std::exchange(other.call_, nullptr)) {}
  PendingCall& operator=(PendingCall&& other) noexcept {
    if (this == &other) return *this;
    Abandon();
    channel_ = std::move(other.channel_);
    call_ = std::exchange(other.call_, nullptr);
    return *this;
  }
  ~PendingCall() { Abandon(); }

  // Blocks until the call has ended, and gives its status. FAILED_PRECONDITION where that was done before.
  absl::Status Finish() {
    if (call_ == nullptr) return absl::FailedPreconditionError("Finish was called before on this call");
    return std::exchange(call_, nullptr)->Finish();
  }

 private:
  void Abandon() {
    if (call_ != nullptr) std::exchange(call_, nullptr)->Abandon();
  }

  std::shared_ptr<Channel> channel_;
  internal::PendingUnary* call_;
};

}  // namespace sidecall

#endif  // SIDECALL_PENDING_CALL_H_
