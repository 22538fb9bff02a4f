#include "core/tracing.h"

#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include "transport/logging.h"

namespace sidecall {
namespace {

// What every implementation must carry on; longer ones may be dropped.
constexpr size_t kMaxTraceState = 512;

bool IsPrintable(std::string_view text) {
  for (const char c : text) {
    if (c < 0x20 || c > 0x7e) return false;
  }
  return true;
}

// Runs code of the user's, whatever it throws.
template <typename Function>
void Guarded(const char* what, const Function& function) {
  const char* thrown = nullptr;
  std::string text;
  try {
    function();
    return;
  } catch (const std::exception& exception) {
    text = exception.what();
    thrown = text.c_str();
  } catch (...) {
    thrown = "what is no std::exception";
  }
  if (LogEnabled(LogLevel::kWarning)) {
    Log(LogLevel::kWarning, absl::StrCat("the trace hook threw in ", what, ": ", thrown));
  }
}

// What `span` wants to be sent; empty where that is no traceparent.
std::string TraceParentOf(TraceSpan& span) {
  std::string parent = span.TraceParentToSend();
  if (parent.empty() || ParseTraceParent(parent).ok()) return parent;
  if (LogEnabled(LogLevel::kWarning)) {
    Log(LogLevel::kWarning, "the trace hook gave a traceparent that is none, and it is not sent");
  }
  return "";
}

}  // namespace

void SetTraceHook(TraceHook* hook) {
  trace_hook.store(hook, std::memory_order_release);
}

IncomingTrace TraceOf(const Metadata& metadata) {
  const auto parent = metadata.Find(kTraceParentKey);
  if (!parent.has_value() || !IsPrintable(*parent) || !ParseTraceParent(*parent).ok()) return {};
  IncomingTrace trace{.parent = *parent, .state = ""};
  for (const auto& [key, value] : metadata) {
    if (key != kTraceStateKey) continue;
    if (!trace.state.empty()) trace.state += ',';
    trace.state += value;
  }
  if (trace.state.size() > kMaxTraceState || !IsPrintable(trace.state)) trace.state.clear();
  return trace;
}

void StartClientSpan(TraceHook& hook, const internal::Method& method, ClientContext& context) {
  Guarded("StartClientCall", [&] {
    const std::string_view carried = context.metadata().Find(kTraceParentKey).value_or("");
    std::unique_ptr<TraceSpan> span = hook.StartClientCall(method.full_name(), carried);
    if (span == nullptr) return;
    context.set_span(std::move(span));
    const std::string parent = TraceParentOf(*context.span());
    if (!parent.empty()) context.SetTraceParent(parent);
  });
}

std::unique_ptr<TraceSpan> StartServerSpan(TraceHook& hook, const internal::Method& method,
                                           ServerContext& context) {
  std::unique_ptr<TraceSpan> span;
  Guarded("StartServerCall", [&] {
    span = hook.StartServerCall(method.full_name(), TraceOf(context.client_metadata()).parent);
    if (span != nullptr) context.set_trace_parent(TraceParentOf(*span));
  });
  return span;
}

void EndSpan(std::unique_ptr<TraceSpan> span, const absl::Status& status) {
  Guarded("End", [&] { span->End(status); });
}

}  // namespace sidecall
