// ClientContext, ServerContext, CancelGroup, Metadata, PeerIdentity, Method: what calls carry.
#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/frame_codec.h"
#include "core/tracing.h"
#include "sidecall/client_context.h"
#include "sidecall/internal/handler.h"
#include "sidecall/internal/method.h"
#include "sidecall/server_context.h"
#include "transport/clock.h"

namespace sidecall {
namespace {

bool IsKeyCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

bool IsPrintable(char c) {
  return c >= 0x20 && c <= 0x7e;
}

}  // namespace

void ClientContext::set_deadline(absl::Time deadline) {
  if (deadline == absl::InfiniteFuture()) {
    LimitDeadline(kNoDeadline);
  } else {
    set_timeout(deadline - absl::Now());
  }
}

void ClientContext::set_timeout(absl::Duration timeout) {
  const int64_t nanos = absl::ToInt64Nanoseconds(timeout);  // saturates
  const int64_t now = MonotonicNanos();
  if (nanos <= 0) {
    LimitDeadline(kPassedDeadline);
  } else {
    LimitDeadline(nanos > INT64_MAX - now ? kNoDeadline : now + nanos);
  }
}

// The earlier of its own and its parent's.
void ClientContext::LimitDeadline(int64_t deadline_nanos) {
  const bool parents_is_earlier = parents_deadline_nanos_ != kNoDeadline &&
                                  (deadline_nanos == kNoDeadline || deadline_nanos > parents_deadline_nanos_);
  deadline_nanos_ = parents_is_earlier ? parents_deadline_nanos_ : deadline_nanos;
}

std::unique_ptr<ClientContext> ClientContext::FromServerContext(const ServerContext& server_context) {
  auto context = std::make_unique<ClientContext>();
  context->deadline_nanos_ = context->parents_deadline_nanos_ = server_context.deadline_nanos();
  context->priority_ = server_context.priority();
  context->group_ = server_context.nested_calls();
  context->group_->Add(*context);
  context->CarryTraceOn(server_context);
  return context;
}

// What came with the call; its parent is the hook's span, where there is one.
void ClientContext::CarryTraceOn(const ServerContext& server_context) {
  const std::string& own = server_context.trace_parent();
  if (own.empty() && server_context.client_metadata().empty()) return;
  const IncomingTrace incoming = TraceOf(server_context.client_metadata());
  const std::string_view parent = own.empty() ? incoming.parent : own;
  if (parent.empty()) return;
  metadata_.Add(kTraceParentKey, parent);
  carries_trace_parent_ = true;
  if (incoming.state.empty()) return;
  metadata_.Add(kTraceStateKey, incoming.state);
  carries_trace_state_ = true;
}

// A tracestate belongs to its traceparent, and goes with it.
void ClientContext::DropCarriedTrace(std::string_view key) {
  if (key != kTraceParentKey && key != kTraceStateKey) return;
  if (std::exchange(carries_trace_state_, false)) metadata_.Remove(kTraceStateKey);
  if (key != kTraceParentKey) return;
  metadata_.Remove(kTraceParentKey);
  carries_trace_parent_ = false;
}

void ClientContext::SetTraceParent(std::string_view trace_parent) {
  metadata_.Remove(kTraceParentKey);
  metadata_.Add(kTraceParentKey, trace_parent);
}

void ClientContext::TryCancel() {
  // Before the look at the first waker; pairs with AddWaker.
  cancelled_.store(true, std::memory_order_seq_cst);
  const std::lock_guard lock(wakers_mutex_);
  // Taken out, so that its RemoveWaker comes to the mutex, and waits there until it has been woken.
  if (Waker* first = first_waker_.exchange(nullptr, std::memory_order_seq_cst); first != nullptr) {
    first->WakeForCancel();
  }
  for (Waker* waker = more_wakers_; waker != nullptr; waker = waker->next_) waker->WakeForCancel();
}

bool ClientContext::AddWaker(Waker& waker) {
  Waker* none = nullptr;
  if (first_waker_.compare_exchange_strong(none, &waker, std::memory_order_seq_cst)) {
    if (!cancelled_.load(std::memory_order_seq_cst)) [[likely]] {
      return true;
    }
    RemoveWaker(waker);
    return false;
  }
  const std::lock_guard lock(wakers_mutex_);
  if (cancelled()) return false;
  waker.next_ = std::exchange(more_wakers_, &waker);
  return true;
}

void ClientContext::RemoveWaker(Waker& waker) {
  Waker* expected = &waker;
  if (first_waker_.compare_exchange_strong(expected, nullptr, std::memory_order_acq_rel)) return;
  // One of the others; or the first, which is being woken, or was.
  const std::lock_guard lock(wakers_mutex_);
  for (Waker** at = &more_wakers_; *at != nullptr; at = &(*at)->next_) {
    if (*at != &waker) continue;
    *at = waker.next_;
    return;
  }
}

void ServerContext::Start(internal::ServerCall* call, const PeerIdentity& peer, int64_t deadline_nanos,
                          CallPriority priority) {
  call_ = call;
  peer_ = &peer;
  deadline_nanos_ = deadline_nanos;
  priority_ = priority;
  cancelled_.store(false, std::memory_order_relaxed);
  if (nested_ != nullptr) nested_.reset();
  client_metadata_.clear();
  initial_metadata_.clear();
  trailing_metadata_.clear();
  trace_parent_.clear();
}

void ServerContext::MarkCancelled() {
  cancelled_.store(true, std::memory_order_seq_cst);
  std::shared_ptr<internal::CancelGroup> nested;
  {
    const std::lock_guard lock(nested_mutex_);
    nested = nested_;
  }
  if (nested != nullptr) nested->Cancel();
}

std::shared_ptr<internal::CancelGroup> ServerContext::nested_calls() const {
  const std::lock_guard lock(nested_mutex_);
  if (nested_ == nullptr) {
    nested_ = std::make_shared<internal::CancelGroup>();
    if (cancelled()) nested_->Cancel();
  }
  return nested_;
}

void ServerContext::NotifyOnCancel(std::function<void()> callback) {
  call_->NotifyOnCancel(std::move(callback));
}

void ServerContext::TryCancel() {
  call_->TryCancel();
}

absl::Time ServerContext::deadline() const {
  if (deadline_nanos_ == 0) return absl::InfiniteFuture();
  return absl::Now() + (absl::Nanoseconds(deadline_nanos_) - absl::Nanoseconds(MonotonicNanos()));
}

bool ServerContext::IsCancelled() const {
  return cancelled_.load(std::memory_order_seq_cst) || (deadline_nanos_ != 0 && HasPassed(deadline_nanos_));
}

std::optional<std::string_view> Metadata::Find(std::string_view key) const {
  for (const auto& [name, value] : entries_) {
    if (name == key) return value;
  }
  return std::nullopt;
}

absl::Status Metadata::Validate() const {
  size_t bytes = 0;
  for (const auto& [key, value] : entries_) {
    bytes += kMetadataEntryBytes + key.size() + value.size();
    if (key.empty() || key.size() > UINT16_MAX || !std::all_of(key.begin(), key.end(), IsKeyCharacter)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "metadata key '", key, "' is not made of lower-case letters, digits, '-', '_' and '.'"));
    }
    if (!absl::EndsWith(key, "-bin") && !std::all_of(value.begin(), value.end(), IsPrintable)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the value of metadata key '", key,
                       "' is not printable ASCII. Let the key end in -bin to send bytes"));
    }
  }
  if (bytes > kMaxMetadataBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the metadata has ", bytes, " bytes, and a call carries at most ", kMaxMetadataBytes));
  }
  return absl::OkStatus();
}

std::string PeerIdentity::ToString() const {
  std::string text;
  if (uid.has_value()) absl::StrAppend(&text, "uid ", *uid);
  if (gid.has_value()) absl::StrAppend(&text, text.empty() ? "" : ", ", "gid ", *gid);
  if (pid.has_value()) absl::StrAppend(&text, text.empty() ? "" : ", ", "pid ", *pid);
  return text.empty() ? "unknown" : text;
}

namespace internal {

void CancelGroup::Add(ClientContext& context) {
  const std::lock_guard lock(mutex_);
  if (cancelled_) context.TryCancel();
  contexts_.push_back(&context);
}

void CancelGroup::Remove(ClientContext& context) {
  const std::lock_guard lock(mutex_);
  std::erase(contexts_, &context);
}

void CancelGroup::Cancel() {
  const std::lock_guard lock(mutex_);
  if (std::exchange(cancelled_, true)) return;
  for (ClientContext* context : contexts_) context->TryCancel();
}

uint32_t Method::AssignId() const {
  static std::atomic<uint32_t> last{0};
  const uint32_t fresh = last.fetch_add(1, std::memory_order_relaxed) + 1;
  uint32_t expected = 0;
  return id_.compare_exchange_strong(expected, fresh, std::memory_order_relaxed) ? fresh : expected;
}

absl::Status StatusOfNoMemory() {
  return absl::ResourceExhaustedError("the server has no memory for this call. Try later, or send less");
}

absl::Status StatusFromException(const char* what) {
  return absl::UnknownError(absl::StrCat("the handler threw: ", what));
}

}  // namespace internal
}  // namespace sidecall
