// Where calls meet the trace hook, and the trace context that is carried on without one.
#ifndef SIDECALL_CORE_TRACING_H_
#define SIDECALL_CORE_TRACING_H_

#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include "sidecall/client_context.h"
#include "sidecall/internal/method.h"
#include "sidecall/server_context.h"
#include "sidecall/trace.h"

namespace sidecall {

inline constexpr std::string_view kTraceParentKey = "traceparent";
inline constexpr std::string_view kTraceStateKey = "tracestate";

inline constinit std::atomic<TraceHook*> trace_hook{nullptr};

// What came with a call: both empty unless there is a traceparent that is one. A peer's word: what is
// malformed or too long is dropped, and goes no further.
struct IncomingTrace {
  std::string_view parent;
  std::string state;
};
IncomingTrace TraceOf(const Metadata& metadata);

// Tell the hook. Nothing that it throws gets out.
void StartClientSpan(TraceHook& hook, const internal::Method& method, ClientContext& context);
std::unique_ptr<TraceSpan> StartServerSpan(TraceHook& hook, const internal::Method& method,
                                           ServerContext& context);
void EndSpan(std::unique_ptr<TraceSpan> span, const absl::Status& status);

}  // namespace sidecall

#endif  // SIDECALL_CORE_TRACING_H_
