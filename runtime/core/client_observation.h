// What is to be seen of a client's call: every call begins and ends here once, whatever becomes of it and
// whichever engine carries it.
#ifndef SIDECALL_CORE_CLIENT_OBSERVATION_H_
#define SIDECALL_CORE_CLIENT_OBSERVATION_H_

#include "absl/status/status.h"
#include "core/call_counters.h"
#include "core/tracing.h"
#include "sidecall/client_context.h"
#include "sidecall/internal/method.h"

namespace sidecall {

// The stub was called.
inline void ObserveStart(const internal::Method& method, ClientContext& context) {
  CountStart(CallSide::kClient, method, context.measure());
  if (TraceHook* hook = trace_hook.load(std::memory_order_acquire); hook != nullptr) [[unlikely]] {
    StartClientSpan(*hook, method, context);
  }
}

// The call has its status, and the context is still the call's. On any thread.
inline void ObserveEnd(ClientContext& context, const absl::Status& status) {
  CountEnd(CallSide::kClient, context.measure(), status.code());
  if (context.span() != nullptr) [[unlikely]] {
    EndSpan(context.TakeSpan(), status);
  }
}

}  // namespace sidecall

#endif  // SIDECALL_CORE_CLIENT_OBSERVATION_H_
