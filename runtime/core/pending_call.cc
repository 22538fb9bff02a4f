#include "core/pending_call.h"

#include "core/client_call.h"
#include "core/client_observation.h"
#include "core/client_session.h"
#include "transport/clock.h"

namespace sidecall {

void FramePendingCall::Begin(ClientContext& context) {
  context_ = &context;
  if (!context.AddWaker(*this)) WakeForCancel();
  // What found no room leaves only while somebody is in here. Where the deadline or a cancel comes first,
  // Finish says so.
  if (session_.waits_for_room()) [[unlikely]] {
    (void)session_.AwaitRoom(call_, context);
  }
}

absl::Status FramePendingCall::Finish() {
  if (fork_guard_.forked()) [[unlikely]] {
    return ForkGuard::Error("this call's channel");
  }
  ClientContext& context = *context_;  // This object is another call's once the status is taken.
  absl::Status status = Await();
  ObserveEnd(context, status);
  return status;
}

absl::Status FramePendingCall::Await() {
  context_->RemoveWaker(*this);
  if (call_.done()) return session_.TakeEnded(call_);
  // The reply may have come in time, with nobody there to read it.
  if (context_->deadline_nanos() != ClientContext::kNoDeadline && HasPassed(context_->deadline_nanos()))
      [[unlikely]] {
    session_.LookAround();
  }
  return session_.Finish(call_, *context_);
}

void FramePendingCall::Abandon() {
  if (fork_guard_.forked()) [[unlikely]] {
    return;
  }
  ClientContext& context = *context_;  // As in Finish.
  context.RemoveWaker(*this);
  session_.Drop(call_);
  ObserveEnd(context, absl::CancelledError());
}

void FramePendingCall::WakeForCancel() {
  session_.SendCancel(call_);
}

}  // namespace sidecall
