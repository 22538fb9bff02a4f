// Every header that there can be, by type, flag and lane, against the table of docs/protocol.md.
#include "core/frame_rules.h"

#include <gtest/gtest.h>

#include <map>

namespace sidecall {
namespace {

using F = FrameFlags;

struct Expected {
  uint8_t flags;
  Lane lane;
  bool body;
};

const std::map<FrameType, Expected>& Table() {
  static const std::map<FrameType, Expected> table = {
      {FrameType::kHello, {0, Lane::kControl, true}},
      {FrameType::kStart,
       {F::kMethodName | F::kMetadata | F::kMessage | F::kHalfClose | F::kMore, Lane::kData, true}},
      {FrameType::kMessage, {F::kMessage | F::kHalfClose | F::kMore | F::kSeveral, Lane::kData, true}},
      {FrameType::kEnd,
       {F::kMetadata | F::kStatus | F::kMessage | F::kMethodKnown | F::kMore, Lane::kData, true}},
      {FrameType::kContinuation, {F::kMore, Lane::kData, true}},
      {FrameType::kMetadata, {F::kMetadata | F::kMore, Lane::kData, true}},
      {FrameType::kCancel, {0, Lane::kControl, false}},
      {FrameType::kWindow, {0, Lane::kControl, false}},
      {FrameType::kPing, {0, Lane::kControl, false}},
      {FrameType::kPong, {0, Lane::kControl, false}},
      {FrameType::kGoAway, {0, Lane::kControl, false}},
  };
  return table;
}

TEST(FrameRules, HoldForEveryHeader) {
  for (int type = 0; type < 256; type++) {
    const auto rule = Table().find(static_cast<FrameType>(type));
    for (int bits = 0; bits < 256; bits++) {
      for (const int lane : {0, 1, 2, 3, 255}) {
        for (const uint32_t length : {0u, 1u}) {
          FrameHeader header;
          header.type = static_cast<FrameType>(type);
          header.flags = static_cast<uint8_t>(bits);
          header.lane = static_cast<Lane>(lane);
          header.length = length;
          const bool may = rule != Table().end() && (bits & ~rule->second.flags) == 0 &&
                           (header.lane == rule->second.lane ||
                            (header.lane == Lane::kUrgent && rule->second.lane == Lane::kData)) &&
                           (length == 0 || rule->second.body);
          ASSERT_EQ(KeepsFrameRule(header), may) << "type " << type << " flags " << bits << " lane " << lane;
          ASSERT_TRUE(may || absl::IsDataLoss(BrokenFrameRule(header)));
        }
      }
    }
  }
}

TEST(FrameRules, NoFrameHasDescriptors) {
  for (const auto& [type, rule] : Table()) {
    FrameHeader header;
    header.type = type;
    header.lane = rule.lane;
    ASSERT_TRUE(KeepsFrameRule(header));
    header.fd_count = 1;
    EXPECT_FALSE(KeepsFrameRule(header));
  }
}

}  // namespace
}  // namespace sidecall
