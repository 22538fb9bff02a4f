// ClientContext: what one call carries beside its request, and what came back beside its reply.
//
//   sidecall::ClientContext context;
//   context.set_timeout(absl::Seconds(1));
//   absl::Status status = stub.SayHello(&context, request, &reply);
//
// One context serves one call. Thread-safety: TryCancel from any thread, the rest as a std::string.
#ifndef SIDECALL_CLIENT_CONTEXT_H_
#define SIDECALL_CLIENT_CONTEXT_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>

#include "absl/time/time.h"
#include "sidecall/call_priority.h"
#include "sidecall/internal/call_measure.h"
#include "sidecall/internal/cancel_group.h"
#include "sidecall/metadata.h"
#include "sidecall/peer_identity.h"
#include "sidecall/trace.h"

namespace sidecall {

class ServerContext;

class ClientContext {
 public:
  // Deadlines of a call that has none, and of one that was late when it was set.
  static constexpr int64_t kNoDeadline = 0;
  static constexpr int64_t kPassedDeadline = 1;

  // For a call that a handler makes on behalf of the one that it serves: its deadline is taken over, where an
  // own one is not earlier, and its priority, when it is cancelled, so is this, and its trace context is
  // carried on (sidecall/trace.h).
  static std::unique_ptr<ClientContext> FromServerContext(const ServerContext& server_context);

  ClientContext() = default;
  ~ClientContext() {
    if (group_ != nullptr) group_->Remove(*this);
  }
  ClientContext(const ClientContext&) = delete;
  ClientContext& operator=(const ClientContext&) = delete;

  // The call ends with DEADLINE_EXCEEDED at that moment. The wall clock is read here, once: should it jump
  // afterwards, the deadline does not. absl::InfiniteFuture() means none, which is the default.
  void set_deadline(absl::Time deadline);
  void set_deadline(std::chrono::system_clock::time_point deadline) {
    set_deadline(absl::FromChrono(deadline));
  }
  // The same, counted from now.
  void set_timeout(absl::Duration timeout);

  // Where nobody listens yet, the call waits, until its deadline, instead of failing at once with
  // UNAVAILABLE.
  void set_wait_for_ready(bool wait_for_ready) { wait_for_ready_ = wait_for_ready; }
  bool wait_for_ready() const { return wait_for_ready_; }

  // Must not be called once the call has started.
  void set_priority(CallPriority priority) { priority_ = priority; }
  CallPriority priority() const { return priority_; }

  // Ends the call with CANCELLED, wherever it is; one that has not begun is not sent. No effect once it has
  // ended.
  void TryCancel();

  // Sent with the call. Must not be called once the call has started. A traceparent or tracestate takes the
  // place of those that were carried on.
  void AddMetadata(std::string_view key, std::string_view value) {
    if (carries_trace_parent_) DropCarriedTrace(key);
    metadata_.Add(key, value);
  }

  // What the server sent before its first message, and with its status. Filled when the call has ended; the
  // first of a stream when a message was read, or WaitForInitialMetadata has returned.
  const Metadata& server_initial_metadata() const { return server_initial_metadata_; }
  const Metadata& server_trailing_metadata() const { return server_trailing_metadata_; }

  // Who answered. Filled when the call has ended.
  const PeerIdentity& peer() const { return peer_; }

  // -- For the runtime --------------------------------------------------------------------------------------
  // Absolute CLOCK_MONOTONIC nanoseconds, or kNoDeadline.
  int64_t deadline_nanos() const { return deadline_nanos_; }
  bool cancelled() const { return cancelled_.load(std::memory_order_acquire); }
  // A thread of the call that sleeps, and looks at cancelled() when it is woken.
  class Waker {
   public:
    virtual void WakeForCancel() = 0;

   protected:
    ~Waker() = default;

   private:
    friend class ClientContext;
    Waker* next_ = nullptr;
  };
  // False where the call is cancelled already; it may have been woken all the same. Remove it before it goes.
  bool AddWaker(Waker& waker);
  void RemoveWaker(Waker& waker);
  const Metadata& metadata() const { return metadata_; }
  Metadata& mutable_server_initial_metadata() { return server_initial_metadata_; }
  Metadata& mutable_server_trailing_metadata() { return server_trailing_metadata_; }
  void set_peer(const PeerIdentity& peer) { peer_ = peer; }
  internal::CallMeasure& measure() { return measure_; }
  // Of the trace hook, while the call is in flight.
  TraceSpan* span() const { return span_.get(); }
  void set_span(std::unique_ptr<TraceSpan> span) { span_ = std::move(span); }
  std::unique_ptr<TraceSpan> TakeSpan() { return std::move(span_); }
  // In place of any other.
  void SetTraceParent(std::string_view trace_parent);

 private:
  void LimitDeadline(int64_t deadline_nanos);
  void CarryTraceOn(const ServerContext& server_context);
  void DropCarriedTrace(std::string_view key);

  int64_t deadline_nanos_ = kNoDeadline;
  int64_t parents_deadline_nanos_ = kNoDeadline;  // of the call on whose behalf this one is made
  bool wait_for_ready_ = false;
  CallPriority priority_ = CallPriority::kNormal;
  bool carries_trace_parent_ = false;  // in the metadata, not of the caller's own
  bool carries_trace_state_ = false;
  std::atomic<bool> cancelled_{false};
  // Mostly a call has one waker at a time: its place is taken and given back without the mutex, which is for
  // the others, and held while they are woken.
  std::atomic<Waker*> first_waker_{nullptr};
  std::mutex wakers_mutex_;
  Waker* more_wakers_ = nullptr;
  std::shared_ptr<internal::CancelGroup> group_;
  Metadata metadata_;
  Metadata server_initial_metadata_;
  Metadata server_trailing_metadata_;
  PeerIdentity peer_;
  internal::CallMeasure measure_;
  std::unique_ptr<TraceSpan> span_;
};

}  // namespace sidecall

#endif  // SIDECALL_CLIENT_CONTEXT_H_
