// The shared-memory ring between two sides that keep the rules.
#include "transports/shm/ring.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "tests/unit/test_ring.h"
#include "transport/clock.h"

namespace sidecall {
namespace {

// A body whose record takes `lines` lines of 64 bytes, with bytes that tell it from others.
std::string BodyOfLines(size_t lines, uint32_t mark) {
  std::string body(lines * kRecordAlignment - kRecordHeaderBytes, static_cast<char>(mark));
  std::memcpy(body.data(), &mark, sizeof mark);
  return body;
}

TEST(Ring, RecordsAreWholeLines) {
  EXPECT_EQ(kRecordHeaderBytes, 32u);
  EXPECT_EQ(RecordBytes(0), 64u);
  EXPECT_EQ(RecordBytes(32), 64u);
  EXPECT_EQ(RecordBytes(33), 128u);
  EXPECT_EQ(RecordBytes(0xffffffff), 0x100000040u);
}

TEST(Ring, FrameComesOutAsItWentIn) {
  TestRing ring(1024);
  for (size_t size = 0; size <= 300; size++) {
    char* to = ring.producer.Reserve(size);
    ASSERT_NE(to, nullptr);
    const std::string body(size, static_cast<char>(size));
    std::memcpy(to, body.data(), size);
    FrameHeader header;
    header.length = static_cast<uint32_t>(size);
    header.type = FrameType::kStart;
    header.flags = 0x18;
    header.lane = Lane::kControl;
    header.stream = 7;
    header.code = 8;
    header.argument = size;
    ring.producer.Commit(header);
    KeepingSink sink;
    ASSERT_EQ(ring.consumer.Feed(sink), 1u);
    EXPECT_EQ(sink.bodies[0], body);
    EXPECT_EQ(std::memcmp(&sink.headers[0], &header, sizeof header), 0);
  }
}

TEST(Ring, ReservedSlotIsNotSeenUntilCommitted) {
  TestRing ring(256);
  KeepingSink sink;
  ASSERT_NE(ring.producer.Reserve(10), nullptr);
  EXPECT_FALSE(ring.consumer.HasRecord());
  EXPECT_EQ(ring.consumer.Feed(sink), 0u);
  ASSERT_NE(ring.producer.Reserve(5), nullptr);  // The first was abandoned.
  ring.producer.Commit({.length = 5, .type = FrameType::kPing});
  EXPECT_EQ(ring.consumer.Feed(sink), 1u);
  EXPECT_EQ(sink.bodies[0].size(), 5u);
}

TEST(Ring, FrameMayBeShorterThanItsSlot) {
  TestRing ring(512);
  KeepingSink sink;
  for (uint32_t length = 0; length <= 200; length += 20) {
    ASSERT_NE(ring.producer.Reserve(200), nullptr);
    ring.producer.Commit({.length = length, .type = FrameType::kMessage});
    ASSERT_EQ(ring.consumer.Feed(sink), 1u);
    EXPECT_EQ(sink.bodies.back().size(), length);
  }
}

TEST(Ring, SinkMayStop) {
  TestRing ring(1024);
  for (int i = 0; i < 5; i++) ASSERT_TRUE(ring.Produce(std::to_string(i)));
  KeepingSink sink;
  sink.stop_after = 2;
  EXPECT_EQ(ring.consumer.Feed(sink), 2u);
  EXPECT_TRUE(ring.consumer.HasRecord());
  EXPECT_FALSE(ring.consumer.Arm());
  sink.stop_after = 99;
  EXPECT_EQ(ring.consumer.Feed(sink), 3u);
  EXPECT_EQ(sink.bodies.back(), "4");
  EXPECT_FALSE(ring.consumer.HasRecord());
}

// What the ring must do, in words of lines of 64 bytes: a record does not wrap, and nothing else costs room.
class Model {
 public:
  Model(size_t lines, size_t start) : lines_(lines), head_(start), tail_(start) {}
  bool Produce(size_t record, uint32_t mark) {
    const size_t rest = lines_ - head_ % lines_;
    const size_t padding = record > rest ? rest : 0;
    if (head_ + padding + record - tail_ > lines_) return false;
    if (padding > 0) waiting_.push_back({.end = head_ + padding, .mark = 0, .padding = true});
    head_ += padding + record;
    waiting_.push_back({.end = head_, .mark = mark, .padding = false});
    return true;
  }
  // The marks of at most `most` frames.
  std::vector<uint32_t> Consume(size_t most) {
    std::vector<uint32_t> marks;
    while (!waiting_.empty() && marks.size() < most) {
      tail_ = waiting_.front().end;
      if (!waiting_.front().padding) marks.push_back(waiting_.front().mark);
      waiting_.pop_front();
    }
    return marks;
  }
  bool empty() const { return waiting_.empty(); }

 private:
  struct Record {
    size_t end;
    uint32_t mark;
    bool padding;
  };
  const size_t lines_;
  size_t head_;
  size_t tail_;
  std::deque<Record> waiting_;
};

// Runs one sequence of operations: 0 consumes one frame, 1 all, 2 and more produce a record of (operation -
// 1) lines.
void RunSequence(size_t lines, size_t start, const std::vector<size_t>& operations) {
  TestRing ring(lines * kRecordAlignment);
  Model model(lines, start);
  KeepingSink skipped;
  for (size_t i = 0; i < start; i++) {
    ASSERT_TRUE(ring.Produce("x"));
    ASSERT_EQ(ring.consumer.Feed(skipped), 1u);
  }
  uint32_t mark = 0;
  for (const size_t operation : operations) {
    if (operation >= 2) {
      mark++;
      ASSERT_EQ(ring.Produce(BodyOfLines(operation - 1, mark)), model.Produce(operation - 1, mark));
      continue;
    }
    KeepingSink sink;
    if (operation == 0) sink.stop_after = 1;
    const std::vector<uint32_t> expected = model.Consume(operation == 0 ? 1 : 1000);
    ASSERT_EQ(ring.consumer.Feed(sink), expected.size());
    for (size_t i = 0; i < expected.size(); i++) {
      ASSERT_EQ(sink.bodies[i], BodyOfLines((sink.bodies[i].size() + 32) / 64, expected[i]));
    }
  }
  // Nothing that an earlier lap left behind is taken for a record.
  ASSERT_EQ(ring.consumer.HasRecord(), !model.empty());
  ASSERT_FALSE(ring.producer.violated() || ring.consumer.violated());
}

// Every sequence of operations, from every position: wrap-around, padding, full and empty, and stale commit
// words.
TEST(Ring, AllShortSequencesInSmallRings) {
  constexpr size_t kDepth = 6;
  for (const size_t lines : {1u, 2u, 4u}) {
    const size_t choices = lines + 2;
    for (size_t start = 0; start < lines; start++) {
      std::vector<size_t> operations(kDepth, 0);
      for (size_t digit = 0; digit < kDepth;) {
        RunSequence(lines, start, operations);
        if (HasFatalFailure()) {
          std::string text;
          for (const size_t operation : operations) text += std::to_string(operation) + " ";
          FAIL() << lines << " lines from " << start << ": " << text;
        }
        for (digit = 0; digit < kDepth && ++operations[digit] == choices; digit++) operations[digit] = 0;
      }
    }
  }
}

TEST(Ring, RecordOfHalfTheRingAlwaysFitsIntoAnEmptyOne) {
  for (size_t start = 0; start < 16; start++) {
    TestRing ring(1024);
    KeepingSink sink;
    for (size_t i = 0; i < start; i++) {
      ASSERT_TRUE(ring.Produce(""));
      ring.consumer.Feed(sink);
    }
    if (!ring.Produce(BodyOfLines(8, 1))) {
      EXPECT_TRUE(ring.consumer.PublishTail());
      EXPECT_TRUE(ring.Produce(BodyOfLines(8, 1))) << start;
    }
  }
}

TEST(Ring, ProducerThatWaitsForRoomIsToldOnce) {
  TestRing ring(256);
  while (ring.Produce("x")) {
  }
  EXPECT_EQ(ring.control.room_wanted.load(), 1u);
  EXPECT_FALSE(ring.producer.violated());
  KeepingSink sink;
  sink.stop_after = 1;
  EXPECT_EQ(ring.consumer.Feed(sink), 1u);
  EXPECT_TRUE(ring.consumer.PublishTail());
  EXPECT_FALSE(ring.consumer.PublishTail());
  EXPECT_TRUE(ring.Produce("y"));
  EXPECT_FALSE(ring.Produce("z"));
  sink.stop_after = 99;
  ring.consumer.Feed(sink);
  EXPECT_TRUE(ring.consumer.PublishTail()) << "another wait is told of again";
}

TEST(Ring, RoomIsPublishedInSteps) {
  TestRing ring(4096);
  KeepingSink sink;
  for (int i = 0; i < 7; i++) {
    ASSERT_TRUE(ring.Produce(""));
    ring.consumer.Feed(sink);
    EXPECT_EQ(ring.control.tail.load(), 0u);
  }
  ASSERT_TRUE(ring.Produce(""));
  ring.consumer.Feed(sink);
  EXPECT_EQ(ring.control.tail.load(), 512u);
}

TEST(Ring, SleeperIsRungOncePerSleep) {
  TestRing ring(1024);
  EXPECT_FALSE(ring.producer.MustRing()) << "the consumer is awake";
  ASSERT_TRUE(ring.consumer.Arm());
  ASSERT_TRUE(ring.Produce("x"));
  EXPECT_TRUE(ring.producer.MustRing());
  ASSERT_TRUE(ring.Produce("y"));
  EXPECT_FALSE(ring.producer.MustRing()) << "it was rung for this sleep";
  ring.consumer.Disarm();
  KeepingSink sink;
  ring.consumer.Feed(sink);
  EXPECT_FALSE(ring.producer.MustRing());
  ASSERT_TRUE(ring.consumer.Arm());
  EXPECT_TRUE(ring.producer.MustRing()) << "a new sleep";
}

TEST(Ring, NobodyFallsAsleepOverARecord) {
  TestRing ring(1024);
  ASSERT_TRUE(ring.Produce("x"));
  EXPECT_FALSE(ring.consumer.Arm());
  EXPECT_EQ(ring.control.armed.load(), 0u);
}

TEST(Ring, TwoThreads) {
  TestRing ring(1024);
  constexpr uint32_t kFrames = 20'000;
  const int64_t deadline = MonotonicNanos() + 30'000'000'000;
  std::thread producer([&] {
    for (uint32_t i = 1; i <= kFrames; i++) {
      while (!ring.Produce(BodyOfLines(1 + i % 7, i)) && MonotonicNanos() < deadline)
        std::this_thread::yield();
    }
  });
  uint32_t received = 0;
  while (received < kFrames && MonotonicNanos() < deadline) {
    KeepingSink sink;
    if (ring.consumer.Feed(sink) == 0) std::this_thread::yield();
    ring.consumer.PublishTail();
    for (const std::string& body : sink.bodies) {
      received++;
      ASSERT_EQ(body, BodyOfLines(1 + received % 7, received));
    }
  }
  producer.join();
  EXPECT_EQ(received, kFrames);
}

}  // namespace
}  // namespace sidecall
