// What a method's option in its .proto says of calls that do not say it themselves.
#ifndef SIDECALL_INTERNAL_CALL_DEFAULTS_H_
#define SIDECALL_INTERNAL_CALL_DEFAULTS_H_

#include "absl/time/time.h"
#include "sidecall/client_context.h"
#include "sidecall/internal/method.h"

namespace sidecall::internal {

inline ClientContext& WithDefaults(const Method& method, ClientContext& context) {
  const int64_t timeout = method.default_timeout_nanos();
  if (timeout != 0 && context.deadline_nanos() == ClientContext::kNoDeadline) [[unlikely]] {
    context.set_timeout(absl::Nanoseconds(timeout));
  }
  return context;
}

}  // namespace sidecall::internal

#endif  // SIDECALL_INTERNAL_CALL_DEFAULTS_H_
