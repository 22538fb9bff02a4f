// The text form of a traceparent.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "sidecall/trace.h"

namespace sidecall {
namespace {

// "00-" trace id "-" parent id "-" flags
constexpr size_t kVersionAt = 0;
constexpr size_t kTraceIdAt = 3;
constexpr size_t kParentIdAt = 36;
constexpr size_t kFlagsAt = 53;
constexpr size_t kLength = 55;
constexpr uint8_t kVersion = 0;
constexpr uint8_t kNoVersion = 0xff;
constexpr uint8_t kSampled = 1;

constexpr std::string_view kDigits = "0123456789abcdef";

// False where the text is no bytes in lower-case hexadecimal.
bool TakeBytes(std::string_view text, size_t at, uint8_t* bytes, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const size_t high = kDigits.find(text[at + 2 * i]);
    const size_t low = kDigits.find(text[at + 2 * i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return false;
    bytes[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return true;
}

void AppendBytes(std::string& text, const uint8_t* bytes, size_t count) {
  for (size_t i = 0; i < count; i++) {
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 15];
  }
}

template <typename Id>
bool IsZero(const Id& id) {
  return std::all_of(id.begin(), id.end(), [](uint8_t byte) { return byte == 0; });
}

}  // namespace

absl::StatusOr<TraceParent> ParseTraceParent(std::string_view text) {
  const auto invalid = [](const char* why) {
    return absl::InvalidArgumentError(absl::StrCat("no traceparent: ", why));
  };
  if (text.size() < kLength) return invalid("too short");
  if (text[kTraceIdAt - 1] != '-' || text[kParentIdAt - 1] != '-' || text[kFlagsAt - 1] != '-') {
    return invalid("its fields are not separated where they should be");
  }
  TraceParent parsed;
  uint8_t version = kNoVersion;
  if (!TakeBytes(text, kVersionAt, &version, 1) ||
      !TakeBytes(text, kTraceIdAt, parsed.trace_id.data(), parsed.trace_id.size()) ||
      !TakeBytes(text, kParentIdAt, parsed.parent_id.data(), parsed.parent_id.size()) ||
      !TakeBytes(text, kFlagsAt, &parsed.flags, 1)) {
    return invalid("not in lower-case hexadecimal");
  }
  if (version == kNoVersion) return invalid("of version ff");
  if (text.size() > kLength && (version == kVersion || text[kLength] != '-')) return invalid("too long");
  if (IsZero(parsed.trace_id) || IsZero(parsed.parent_id)) return invalid("an id is zero");
  if (version != kVersion) parsed.flags &= kSampled;
  return parsed;
}

std::string FormatTraceParent(const TraceParent& trace_parent) {
  std::string text;
  text.reserve(kLength);
  AppendBytes(text, &kVersion, 1);
  text += '-';
  AppendBytes(text, trace_parent.trace_id.data(), trace_parent.trace_id.size());
  text += '-';
  AppendBytes(text, trace_parent.parent_id.data(), trace_parent.parent_id.size());
  text += '-';
  AppendBytes(text, &trace_parent.flags, 1);
  return text;
}

}  // namespace sidecall
