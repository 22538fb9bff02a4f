// RecordingHook: a tracing library in small, which keeps its spans for the test to see.
#ifndef SIDECALL_TESTS_CONFORMANCE_CALL_TRACE_HOOK_H_
#define SIDECALL_TESTS_CONFORMANCE_CALL_TRACE_HOOK_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "sidecall/trace.h"

namespace conformance {

// Any thread.
class RecordingHook final : public sidecall::TraceHook {
 public:
  struct Record {
    bool server = false;
    std::string method;
    std::string parent;
    std::string trace_parent;  // its own
    std::optional<absl::Status> end;
    std::thread::id began_on;
    std::thread::id ended_on;
  };

  // The one of this process: it outlives every call.
  static RecordingHook& OfProcess();

  std::unique_ptr<sidecall::TraceSpan> StartClientCall(std::string_view method,
                                                       std::string_view parent) override {
    return Start(false, method, parent);
  }
  std::unique_ptr<sidecall::TraceSpan> StartServerCall(std::string_view method,
                                                       std::string_view parent) override {
    return Start(true, method, parent);
  }

  void Forget();
  std::vector<Record> Records();
  // Waits until all spans have ended. False after kPatience.
  bool AwaitEnds();

 private:
  class Span;
  std::unique_ptr<sidecall::TraceSpan> Start(bool server, std::string_view method, std::string_view parent);

  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t last_id_ = 0;
  std::vector<std::shared_ptr<Record>> records_;
};

}  // namespace conformance

#endif  // SIDECALL_TESTS_CONFORMANCE_CALL_TRACE_HOOK_H_
