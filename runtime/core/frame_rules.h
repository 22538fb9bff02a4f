// What a received frame's header may say by itself, whoever sent it and whatever came before: flags, lane,
// body and descriptors of each type. docs/protocol.md, "The frame", is the specification.
#ifndef SIDECALL_CORE_FRAME_RULES_H_
#define SIDECALL_CORE_FRAME_RULES_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "transport/frame.h"

namespace sidecall {

struct FrameRule {
  bool known = false;
  Lane lane = Lane::kData;  // or, in its place, kUrgent
  bool has_body = false;
  uint8_t flags = 0;  // that may be set
};

// By type.
inline constexpr std::array kFrameRules = [] {
  using F = FrameFlags;
  constexpr FrameRule kControl{true, Lane::kControl, false, 0};
  const auto data = [](uint8_t flags) {
    return FrameRule{true, Lane::kData, true, static_cast<uint8_t>(flags | F::kMore)};
  };
  return std::array{
      FrameRule{},                                                        // PADDING never leaves its ring
      FrameRule{true, Lane::kControl, true, 0},                           // HELLO
      data(F::kMethodName | F::kMetadata | F::kMessage | F::kHalfClose),  // START
      data(F::kMessage | F::kHalfClose | F::kSeveral),                    // MESSAGE
      data(F::kMetadata | F::kStatus | F::kMessage | F::kMethodKnown),    // END
      data(0),                                                            // CONTINUATION
      data(F::kMetadata),                                                 // METADATA
      kControl,                                                           // CANCEL
      kControl,                                                           // WINDOW
      kControl,                                                           // PING
      kControl,                                                           // PONG
      kControl,                                                           // GO_AWAY
  };
}();
static_assert(kFrameRules.size() == static_cast<size_t>(FrameType::kGoAway) + 1);

inline bool KeepsLane(Lane lane, const FrameRule& rule) {
  return lane == rule.lane || (lane == Lane::kUrgent && rule.lane == Lane::kData);
}

// Whether `header` keeps the rule of its type.
inline bool KeepsFrameRule(const FrameHeader& header) {
  const auto type = static_cast<size_t>(header.type);
  if (type >= kFrameRules.size()) return false;
  const FrameRule& rule = kFrameRules[type];
  return rule.known && (header.flags & ~rule.flags) == 0 && KeepsLane(header.lane, rule) &&
         header.fd_count == 0 && (rule.has_body || header.length == 0);
}

// DATA_LOSS naming the rule that `header` breaks.
absl::Status BrokenFrameRule(const FrameHeader& header);

}  // namespace sidecall

#endif  // SIDECALL_CORE_FRAME_RULES_H_
