#include "core/frame_rules.h"

#include <array>
#include <cstdint>

#include "absl/strings/str_cat.h"

namespace sidecall {
namespace {

enum class Body : uint8_t { kNone, kAny };

struct Rule {
  bool known = false;
  Lane lane = Lane::kData;
  Body body = Body::kNone;
  uint8_t flags = 0;  // that may be set
};

using F = FrameFlags;
constexpr Rule kControl{true, Lane::kControl, Body::kNone, 0};
constexpr Rule Data(uint8_t flags) {
  return {true, Lane::kData, Body::kAny, static_cast<uint8_t>(flags | F::kMore)};
}

// By type.
constexpr std::array kRules = {
    Rule{},                                                             // PADDING never leaves its ring
    Rule{true, Lane::kControl, Body::kAny, 0},                          // HELLO
    Data(F::kMethodName | F::kMetadata | F::kMessage | F::kHalfClose),  // START
    Data(F::kMessage | F::kHalfClose),                                  // MESSAGE
    Data(F::kMetadata | F::kStatus | F::kMessage | F::kMethodKnown),    // END
    Data(0),                                                            // CONTINUATION
    Data(F::kMetadata),                                                 // METADATA
    kControl,                                                           // CANCEL
    kControl,                                                           // WINDOW
    kControl,                                                           // PING
    kControl,                                                           // PONG
    kControl,                                                           // GO_AWAY
};
static_assert(kRules.size() == static_cast<size_t>(FrameType::kGoAway) + 1);

absl::Status Broken(const FrameHeader& header, const Rule& rule) {
  const auto type = static_cast<int>(header.type);
  if (!rule.known) return absl::DataLossError(absl::StrCat("a frame of type ", type, ", which there is not"));
  return absl::DataLossError(
      absl::StrCat("a frame of type ", type, " with flags ", header.flags, ", lane ",
                   static_cast<int>(header.lane), ", ", header.fd_count, " descriptors and ", header.length,
                   " bytes: its flags may be of ", rule.flags, ", its lane is ", static_cast<int>(rule.lane),
                   ", it has no descriptors", rule.body == Body::kNone ? " and no body" : ""));
}

}  // namespace

absl::Status CheckFrameHeader(const FrameHeader& header) {
  const auto type = static_cast<size_t>(header.type);
  const Rule rule = type < kRules.size() ? kRules[type] : Rule{};
  const bool kept = rule.known && (header.flags & ~rule.flags) == 0 && header.lane == rule.lane &&
                    header.fd_count == 0 && (rule.body == Body::kAny || header.length == 0);
  if (kept) [[likely]]
    return absl::OkStatus();
  return Broken(header, rule);
}

}  // namespace sidecall
