// FramePendingCall: a unary call over frames between its start and its Finish, while its caller does
// something else. Belongs to its ClientCall, and is used again with it.
#ifndef SIDECALL_CORE_PENDING_CALL_H_
#define SIDECALL_CORE_PENDING_CALL_H_

#include "core/fork_guard.h"
#include "sidecall/client_context.h"
#include "sidecall/internal/call_engine.h"

namespace sidecall {

class ClientCall;
class ClientSession;

class FramePendingCall final : public internal::PendingUnary, private ClientContext::Waker {
 public:
  // `call` is one of `session`'s; `fork_guard` the channel's, which outlives both.
  FramePendingCall(ClientSession& session, ClientCall& call, const ForkGuard& fork_guard)
      : session_(session), call_(call), fork_guard_(fork_guard) {}
  ~FramePendingCall() = default;

  // The call's START has been sent, or put off. Waits until there is room.
  void Begin(ClientContext& context);

  absl::Status Finish() override;
  void Abandon() override;

 private:
  // The server is to know at once: perhaps nobody is in Finish for long.
  void WakeForCancel() override;
  absl::Status Await();

  ClientSession& session_;
  ClientCall& call_;
  const ForkGuard& fork_guard_;
  ClientContext* context_ = nullptr;
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_PENDING_CALL_H_
