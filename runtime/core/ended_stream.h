// EndedStream: a streaming call that could not begin.
#ifndef SIDECALL_CORE_ENDED_STREAM_H_
#define SIDECALL_CORE_ENDED_STREAM_H_

#include <utility>

#include "absl/status/status.h"
#include "sidecall/internal/call_engine.h"

namespace sidecall {

class EndedStream final : public internal::ClientStream {
 public:
  explicit EndedStream(absl::Status why) : why_(std::move(why)) {}

  bool Write(const internal::MessageSource& /*message*/, const WriteOptions& /*options*/) override {
    return false;
  }
  bool WritesDone() override { return false; }
  void WaitForInitialMetadata() override {}
  bool Read(internal::MessageTarget& /*message*/) override { return false; }
  absl::Status Finish() override { return why_; }

 private:
  const absl::Status why_;
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_ENDED_STREAM_H_
