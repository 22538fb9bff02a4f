#include "call_trace_hook.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "call_patience.h"

namespace conformance {

class RecordingHook::Span final : public sidecall::TraceSpan {
 public:
  Span(RecordingHook& hook, std::shared_ptr<Record> record) : hook_(hook), record_(std::move(record)) {}
  std::string TraceParentToSend() override { return record_->trace_parent; }
  void End(const absl::Status& status) override {
    const std::lock_guard lock(hook_.mutex_);
    EXPECT_FALSE(record_->end.has_value()) << "ended twice";
    record_->end = status;
    record_->ended_on = std::this_thread::get_id();
    hook_.changed_.notify_all();
  }

 private:
  RecordingHook& hook_;
  const std::shared_ptr<Record> record_;
};

RecordingHook& RecordingHook::OfProcess() {
  static RecordingHook* const hook = new RecordingHook;
  return *hook;
}

std::unique_ptr<sidecall::TraceSpan> RecordingHook::Start(bool server, std::string_view method,
                                                          std::string_view parent) {
  const std::lock_guard lock(mutex_);
  sidecall::TraceParent own;
  if (auto given = sidecall::ParseTraceParent(parent); given.ok()) own = *given;
  // Another in each process, as random ones would be.
  const uint64_t id = static_cast<uint64_t>(getpid()) << 32 | ++last_id_;
  if (parent.empty()) std::memcpy(own.trace_id.data(), &id, sizeof id);
  std::memcpy(own.parent_id.data(), &id, sizeof id);
  auto record = std::make_shared<Record>();
  record->server = server;
  record->method = method;
  record->parent = parent;
  record->trace_parent = sidecall::FormatTraceParent(own);
  record->began_on = std::this_thread::get_id();
  records_.push_back(record);
  return std::make_unique<Span>(*this, std::move(record));
}

void RecordingHook::Forget() {
  const std::lock_guard lock(mutex_);
  records_.clear();
}

std::vector<RecordingHook::Record> RecordingHook::Records() {
  const std::lock_guard lock(mutex_);
  std::vector<Record> records;
  for (const auto& record : records_) records.push_back(*record);
  return records;
}

bool RecordingHook::AwaitEnds() {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [this] {
    return std::all_of(records_.begin(), records_.end(),
                       [](const auto& record) { return record->end.has_value(); });
  });
}

}  // namespace conformance
