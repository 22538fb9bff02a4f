// ClientContext, ServerContext, Metadata, PeerIdentity, Method: what calls carry.
#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/frame_codec.h"
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
    deadline_nanos_ = kNoDeadline;
  } else {
    set_timeout(deadline - absl::Now());
  }
}

void ClientContext::set_timeout(absl::Duration timeout) {
  const int64_t nanos = absl::ToInt64Nanoseconds(timeout);  // saturates
  const int64_t now = MonotonicNanos();
  if (nanos <= 0) {
    deadline_nanos_ = kPassedDeadline;
  } else {
    deadline_nanos_ = nanos > INT64_MAX - now ? kNoDeadline : now + nanos;
  }
}

void ServerContext::Start(const PeerIdentity& peer, int64_t deadline_nanos) {
  peer_ = &peer;
  deadline_nanos_ = deadline_nanos;
  cancelled_.store(false, std::memory_order_relaxed);
  client_metadata_.clear();
  initial_metadata_.clear();
  trailing_metadata_.clear();
}

absl::Time ServerContext::deadline() const {
  if (deadline_nanos_ == 0) return absl::InfiniteFuture();
  return absl::Now() + (absl::Nanoseconds(deadline_nanos_) - absl::Nanoseconds(MonotonicNanos()));
}

bool ServerContext::IsCancelled() const {
  return cancelled_.load(std::memory_order_acquire) ||
         (deadline_nanos_ != 0 && MonotonicNanos() >= deadline_nanos_);
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

uint32_t Method::AssignId() const {
  static std::atomic<uint32_t> last{0};
  const uint32_t fresh = last.fetch_add(1, std::memory_order_relaxed) + 1;
  uint32_t expected = 0;
  return id_.compare_exchange_strong(expected, fresh, std::memory_order_relaxed) ? fresh : expected;
}

absl::Status StatusFromException(const char* what) {
  return absl::UnknownError(absl::StrCat("the handler threw: ", what));
}

absl::Status StreamingUnimplemented() {
  return absl::UnimplementedError("streaming calls are not carried by this release; unary ones are");
}

void HandleStreaming(Service& /*service*/, ServerCall& call) {
  call.Finish(StreamingUnimplemented(), nullptr);
}

}  // namespace internal
}  // namespace sidecall
