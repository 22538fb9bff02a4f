// Trace context: which calls of which processes belong together (https://www.w3.org/TR/trace-context/).
//
// Without a hook, a call on behalf of another carries its trace context on: ClientContext::FromServerContext
// copies the metadata "traceparent" and "tracestate", unless the caller sets its own. A hook attaches a
// tracing library:
//
//   class Tracer final : public sidecall::TraceHook {
//     std::unique_ptr<sidecall::TraceSpan> StartClientCall(std::string_view method, std::string_view parent)
//     override {
//       return std::make_unique<Span>(library_.Start(method, parent));
//     }
//     ...
//   };
//   static Tracer tracer;
//   sidecall::SetTraceHook(&tracer);
//
// Thread-safety: free functions from any thread; hooks and spans as said below.
#ifndef SIDECALL_TRACE_H_
#define SIDECALL_TRACE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sidecall {

// A traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".
struct TraceParent {
  std::array<uint8_t, 16> trace_id{};
  std::array<uint8_t, 8> parent_id{};
  uint8_t flags = 0;

  bool sampled() const { return (flags & 1) != 0; }
};

// INVALID_ARGUMENT where `text` is none: of another length, in upper case, with an id of zeros. Of later
// versions than 00, what comes after the flags is ignored, as are flags other than sampled.
absl::StatusOr<TraceParent> ParseTraceParent(std::string_view text);
// In version 00.
std::string FormatTraceParent(const TraceParent& trace_parent);

// One call, as a tracing library sees it. Used by one thread at a time; destroyed after End.
class TraceSpan {
 public:
  virtual ~TraceSpan() = default;

  // Asked once, when the span has begun. A client's is sent with the call; a server's is what calls on behalf
  // of the one that is served carry, or are given as their parent. Empty, or no traceparent: as if there were
  // no hook.
  virtual std::string TraceParentToSend() = 0;

  // The call has ended. Exactly once. A client's: on the thread of the stub's caller, or of who calls Finish
  // on a stream, or destroys it. A server's: on the handler's thread, once the handler has returned, before
  // the answer leaves.
  virtual void End(const absl::Status& status) = 0;
};

// What it does is part of every call: it is to be quick. What it throws is logged, and the call goes on
// without. Thread-safety: called by many threads at once.
class TraceHook {
 public:
  virtual ~TraceHook() = default;

  // A call of "package.Service/Method" begins, on the caller's thread. `parent`: the traceparent that it
  // would carry without this hook, or empty. Null: this call is not traced.
  virtual std::unique_ptr<TraceSpan> StartClientCall(std::string_view method, std::string_view parent) = 0;

  // A handler is about to run, on this thread. `parent`: the traceparent that came with the call, or empty
  // where none came, or one that is malformed. Null as above. Calls that a server refuses are not told of.
  virtual std::unique_ptr<TraceSpan> StartServerCall(std::string_view method, std::string_view parent) = 0;
};

// For calls that begin from now on; null for none, which costs a call one load. `hook`, and what its spans
// use, must outlive the calls that began while it was set.
void SetTraceHook(TraceHook* hook);

}  // namespace sidecall

#endif  // SIDECALL_TRACE_H_
