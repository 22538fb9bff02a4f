// The shared-memory ring with a peer that writes what it likes: an error of this connection, and nothing
// else.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstring>
#include <string>
#include <thread>

#include "tests/unit/test_ring.h"

namespace sidecall {
namespace {

constexpr size_t kCapacity = 512;

// Writes a record that claims `length`, as a peer that knows the key can.
void WriteRecord(TestRing& ring, uint64_t position, uint32_t length, FrameType type = FrameType::kMessage) {
  char* record = ring.data.get() + position % kCapacity;
  FrameHeader header;
  header.length = length;
  header.type = type;
  std::memcpy(record + 8, &header, sizeof header);
  const uint64_t commit = TestRing::kKey + position;
  std::memcpy(record, &commit, sizeof commit);
}

TEST(HostileRing, LengthsThatLeaveTheRing) {
  for (const FrameType type : {FrameType::kMessage, FrameType::kPadding}) {
    for (const uint32_t length : {uint32_t{kCapacity - 32 + 1}, uint32_t{kCapacity}, 0x7fffffffu, 0x80000000u,
                                  0xffffffc0u, 0xffffffe0u, 0xffffffffu}) {
      TestRing ring(kCapacity);
      WriteRecord(ring, 0, length, type);
      KeepingSink sink;
      EXPECT_EQ(ring.consumer.Feed(sink), 0u) << length;
      EXPECT_TRUE(ring.consumer.violated()) << length;
      EXPECT_EQ(ring.consumer.Feed(sink), 0u);
    }
  }
}

TEST(HostileRing, RecordThatWouldWrap) {
  for (size_t lines = 1; lines < kCapacity / 64; lines++) {
    TestRing ring(kCapacity);
    KeepingSink sink;
    for (size_t i = 0; i < lines; i++) {
      ASSERT_TRUE(ring.Produce("x"));
      ASSERT_EQ(ring.consumer.Feed(sink), 1u);
    }
    const auto rest = static_cast<uint32_t>(kCapacity - lines * 64);
    WriteRecord(ring, lines * 64, rest - 32 + 1);
    EXPECT_EQ(ring.consumer.Feed(sink), 0u);
    EXPECT_TRUE(ring.consumer.violated());
  }
}

TEST(HostileRing, LongestRecordThatFitsIsFed) {
  TestRing ring(kCapacity);
  WriteRecord(ring, 0, kCapacity - 32);
  KeepingSink sink;
  EXPECT_EQ(ring.consumer.Feed(sink), 1u);
  EXPECT_FALSE(ring.consumer.violated());
}

TEST(HostileRing, TailBeyondWhatWasProduced) {
  for (const uint64_t tail :
       {uint64_t{kCapacity + 1}, uint64_t{kCapacity + 64}, uint64_t{1} << 63, UINT64_MAX}) {
    TestRing ring(kCapacity);
    while (ring.Produce("x")) {
    }
    ring.control.tail = tail;
    EXPECT_EQ(ring.producer.Reserve(1), nullptr) << tail;
    EXPECT_TRUE(ring.producer.violated()) << tail;
  }
}

TEST(HostileRing, TailThatGoesBack) {
  TestRing ring(kCapacity);
  while (ring.Produce("x")) {
  }
  ring.control.tail = 128;
  ASSERT_TRUE(ring.Produce("x"));
  ASSERT_TRUE(ring.Produce("x"));
  ring.control.tail = 64;
  EXPECT_FALSE(ring.Produce("x"));
  EXPECT_TRUE(ring.producer.violated());
}

// A peer may give room for what it has not read: it loses its own frames, and no other memory is written.
TEST(HostileRing, TailAheadOfTheReader) {
  TestRing ring(kCapacity);
  for (int i = 0; i < 100; i++) {
    while (ring.Produce("x")) {
    }
    ring.control.tail = ring.control.tail + 64;
  }
  EXPECT_FALSE(ring.producer.violated());
}

TEST(HostileRing, CommitWordsOfOtherPositionsAreNoRecords) {
  TestRing ring(kCapacity);
  KeepingSink sink;
  for (const uint64_t word :
       {uint64_t{0}, uint64_t{64}, TestRing::kKey - 64, TestRing::kKey + 64, TestRing::kKey + kCapacity,
        TestRing::kKey - kCapacity, TestRing::kKey + 1, ~TestRing::kKey}) {
    std::memcpy(ring.data.get(), &word, sizeof word);
    EXPECT_FALSE(ring.consumer.HasRecord()) << word;
    EXPECT_EQ(ring.consumer.Feed(sink), 0u);
  }
}

// A body full of numbers that are positions: without the key they are no commit words.
TEST(HostileRing, BodyIsNotTakenForRecords) {
  TestRing ring(kCapacity);
  KeepingSink sink;
  for (uint64_t lap = 0; lap < 20; lap++) {
    std::string body(kCapacity / 2 - 32, '\0');
    for (size_t at = 0; at + 8 <= body.size(); at += 8) {
      const uint64_t guess = lap * kCapacity + at + 32;
      std::memcpy(body.data() + at, &guess, sizeof guess);
    }
    ASSERT_TRUE(ring.Produce(body));
    ASSERT_EQ(ring.consumer.Feed(sink), 1u);
    EXPECT_FALSE(ring.consumer.HasRecord());
  }
}

TEST(HostileRing, ArmedWordOfAnyValueRingsOncePerValue) {
  TestRing ring(kCapacity);
  for (const uint64_t value : {uint64_t{1}, UINT64_MAX, uint64_t{7}}) {
    ring.control.armed = value;
    EXPECT_TRUE(ring.producer.MustRing());
    for (int i = 0; i < 10; i++) EXPECT_FALSE(ring.producer.MustRing());
  }
}

// Bytes at random, under load: whatever comes out lies inside the ring, which a sanitizer checks.
TEST(HostileRing, Scribbler) {
  uint64_t seed = 0x9e3779b97f4a7c15;
  auto random = [&seed] {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
  };
  for (int round = 0; round < 3000; round++) {
    TestRing ring(kCapacity);
    KeepingSink sink;
    for (int step = 0; step < 12; step++) {
      ring.Produce(std::string(random() % 200, 'x'));
      switch (random() % 4) {
        case 0:
          ring.control.tail = random() % 2 == 0 ? random() % (4 * kCapacity) : random();
          break;
        case 1:
          ring.control.room_wanted = random();
          break;
        case 2:
          std::memset(ring.data.get() + random() % (kCapacity - 8), static_cast<int>(random()), 8);
          break;
        default:
          WriteRecord(ring, random() % 16 * 64,
                      static_cast<uint32_t>(random() % 2 == 0 ? random() % 600 : random()));
      }
      ring.consumer.Feed(sink);
      ring.consumer.PublishTail();
      ring.producer.MustRing();
    }
    for (const std::string& body : sink.bodies) ASSERT_LE(body.size(), kCapacity - 32);
  }
}

}  // namespace
}  // namespace sidecall
