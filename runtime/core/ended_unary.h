// EndedUnary: a unary call that could not begin, and was not to be waited for.
#ifndef SIDECALL_CORE_ENDED_UNARY_H_
#define SIDECALL_CORE_ENDED_UNARY_H_

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "sidecall/internal/call_engine.h"

namespace sidecall {

// Made with `new`; deletes itself, being the engine's.
class EndedUnary final : public internal::PendingUnary {
 public:
  explicit EndedUnary(absl::Status why) : why_(std::move(why)) {}

  absl::Status Finish() override {
    const std::unique_ptr<EndedUnary> self(this);
    return std::move(why_);
  }
  void Abandon() override { delete this; }

 private:
  absl::Status why_;
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_ENDED_UNARY_H_
