// What a hello means: versions, clocks.
#include "core/handshake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdint>
#include <limits>
#include <mutex>
#include <string>

#include "tests/unit/fake_connection.h"
#include "transport/clock.h"

namespace sidecall {
namespace {

uint64_t OwnClockId() {
  struct stat info {};
  return stat("/proc/self/ns/time", &info) == 0 ? info.st_ino : 0;
}

absl::StatusOr<Agreement> AgreeOn(const Hello& hello) {
  return Agree(EncodeHello(hello));
}

TEST(Handshake, SentHelloTellsLimitsAndClock) {
  FakeConnection connection({.max_frame = 1024, .inline_slot = 1024});
  FrameWriter writer(connection);
  WriteMutex mutex;
  const int64_t before = MonotonicNanos();
  SendHello(writer, mutex, 12345, 67);
  ASSERT_EQ(connection.sent.size(), 1u);
  EXPECT_EQ(connection.flushes, 1u);
  const FrameHeader& header = connection.sent[0].header;
  EXPECT_EQ(header.type, FrameType::kHello);
  EXPECT_EQ(header.lane, Lane::kControl);
  EXPECT_EQ(header.stream, 0u);
  auto hello = DecodeHello(connection.sent[0].body);
  ASSERT_TRUE(hello.ok()) << hello.status();
  EXPECT_EQ(hello->oldest_version, 1);
  EXPECT_EQ(hello->newest_version, 1);
  EXPECT_EQ(hello->clock_id, OwnClockId());
  EXPECT_GE(hello->clock_now, before);
  EXPECT_LE(hello->clock_now, MonotonicNanos());
  EXPECT_EQ(hello->max_message, 12345u);
  EXPECT_EQ(hello->max_calls, 67u);
  EXPECT_EQ(hello->max_method_ids, kMaxMethodIds);
  EXPECT_EQ(hello->max_metadata, kMaxMetadataBytes);
}

TEST(Handshake, VersionsMustHaveOneInCommon) {
  Hello hello;
  hello.oldest_version = 1;
  hello.newest_version = 9;
  EXPECT_TRUE(AgreeOn(hello).ok());
  hello.oldest_version = 0;
  EXPECT_TRUE(AgreeOn(hello).ok());
  hello.newest_version = 0;
  EXPECT_TRUE(absl::IsUnimplemented(AgreeOn(hello).status()));
  hello.oldest_version = 2;
  hello.newest_version = 9;
  const absl::Status refused = AgreeOn(hello).status();
  EXPECT_TRUE(absl::IsUnimplemented(refused));
  EXPECT_THAT(std::string(refused.message()), testing::HasSubstr("versions 2 to 9"));
}

TEST(Handshake, SameOrUnknownClockNeedsNoOffset) {
  Hello hello;
  hello.clock_now = 1;
  for (const uint64_t id : {OwnClockId(), uint64_t{0}}) {
    hello.clock_id = id;
    auto agreement = AgreeOn(hello);
    ASSERT_TRUE(agreement.ok()) << agreement.status();
    EXPECT_EQ(agreement->clock_offset, 0);
  }
}

TEST(Handshake, AnotherClockIsConvertedByItsOffset) {
  if (OwnClockId() == 0) GTEST_SKIP() << "this kernel has no time namespaces";
  Hello hello;
  hello.clock_id = OwnClockId() + 1;
  constexpr int64_t kAhead = 3'600'000'000'000;
  const int64_t before = MonotonicNanos();
  hello.clock_now = before + kAhead;
  auto agreement = AgreeOn(hello);
  const int64_t after = MonotonicNanos();
  ASSERT_TRUE(agreement.ok()) << agreement.status();
  EXPECT_GE(agreement->clock_offset, -kAhead);
  EXPECT_LE(agreement->clock_offset, -kAhead + (after - before));
}

// UndefinedBehaviorSanitizer sees an offset that overflows.
TEST(Handshake, ImpossibleClocksDoNoHarm) {
  Hello hello;
  hello.clock_id = OwnClockId() + 1;
  for (const int64_t now :
       {std::numeric_limits<int64_t>::min(), int64_t{-1}, std::numeric_limits<int64_t>::max()}) {
    hello.clock_now = now;
    auto agreement = AgreeOn(hello);
    EXPECT_TRUE(agreement.ok()) << agreement.status();
  }
}

TEST(Handshake, WhatIsNoHelloIsRefused) {
  EXPECT_TRUE(absl::IsDataLoss(Agree("").status()));
  EXPECT_TRUE(absl::IsDataLoss(Agree("GET / HTTP/1.1\r\n").status()));
}

TEST(Handshake, StreamIndexIsTheLowHalf) {
  EXPECT_EQ(StreamIndex(0x0001'0000), 0u);
  EXPECT_EQ(StreamIndex(0xffff'1234), 0x1234u);
}

}  // namespace
}  // namespace sidecall
