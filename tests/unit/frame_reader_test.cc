// Split frames are put together again; what breaks the rules ends the connection, once.
#include "core/frame_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "core/frame_writer.h"
#include "tests/unit/fake_connection.h"

namespace sidecall {
namespace {

class RecordingSink final : public WholeFrameSink {
 public:
  absl::Status OnWholeFrame(const FrameHeader& header, std::string_view body) override {
    EXPECT_EQ(closed, 0) << "a frame after the end";
    EXPECT_EQ(header.length, body.size());
    frames.push_back({header, std::string(body)});
    views.push_back(body);
    return refuse_all ? absl::DataLossError("refused") : absl::OkStatus();
  }
  void OnTooLarge(const FrameHeader& header, uint64_t size) override {
    EXPECT_EQ(closed, 0);
    too_large.push_back({header, std::to_string(size)});
  }
  void OnClosed(const absl::Status& status) override {
    closed++;
    why = status;
  }

  bool refuse_all = false;
  std::vector<Frame> frames;
  std::vector<std::string_view> views;  // as they were handed over
  std::vector<Frame> too_large;
  int closed = 0;
  absl::Status why;
};

constexpr uint64_t kMaxWhole = 1000;
constexpr size_t kMaxSplit = 3;

Frame Piece(FrameType type, uint8_t flags, uint32_t stream, std::string body) {
  FrameHeader header;
  header.type = type;
  header.flags = flags;
  header.lane = type == FrameType::kCancel ? Lane::kControl : Lane::kData;
  header.stream = stream;
  return {header, std::move(body)};
}

Frame FirstPiece(uint32_t stream, uint32_t whole, const std::string& bytes) {
  std::string body(reinterpret_cast<const char*>(&whole), sizeof whole);
  return Piece(FrameType::kMessage, FrameFlags::kMessage | FrameFlags::kMore, stream, body + bytes);
}

Frame Continuation(uint32_t stream, const std::string& bytes, bool more) {
  return Piece(FrameType::kContinuation, more ? FrameFlags::kMore : 0, stream, bytes);
}

// Over memory that stays, and over memory that changes as soon as OnFrame returns.
class FrameReaderTest : public testing::TestWithParam<bool> {
 protected:
  FrameReaderTest() { connection_.shared = GetParam(); }
  void Feed(std::vector<Frame> frames) {
    for (Frame& frame : frames) connection_.incoming.push_back(std::move(frame));
  }
  void PollAll() {
    while (reader_.Poll() > 0) {
    }
  }
  void ExpectViolation(std::vector<Frame> frames, const std::string& what) {
    Feed(std::move(frames));
    Feed({Piece(FrameType::kMessage, 0, 99, "after the violation")});
    PollAll();
    EXPECT_EQ(sink_.closed, 1);
    EXPECT_TRUE(absl::IsDataLoss(sink_.why)) << sink_.why;
    EXPECT_THAT(std::string(sink_.why.message()), testing::HasSubstr(what));
    EXPECT_TRUE(connection_.closed);
    EXPECT_TRUE(sink_.frames.empty());
    EXPECT_EQ(reader_.Poll(), 0u);
    EXPECT_EQ(sink_.closed, 1);
  }

  FakeConnection connection_{{.max_frame = 64, .inline_slot = 64}};
  RecordingSink sink_;
  FrameReader reader_{connection_, sink_, kMaxWhole, kMaxSplit};
};

TEST_P(FrameReaderTest, WholeFramesPassInOrder) {
  Feed({Piece(FrameType::kMessage, FrameFlags::kMessage, 1, "one"), Piece(FrameType::kCancel, 0, 2, ""),
        Piece(FrameType::kMessage, FrameFlags::kMessage, 3, "three")});
  PollAll();
  ASSERT_EQ(sink_.frames.size(), 3u);
  EXPECT_EQ(sink_.frames[0].body, "one");
  EXPECT_EQ(sink_.frames[1].header.type, FrameType::kCancel);
  EXPECT_EQ(sink_.frames[2].body, "three");
  EXPECT_EQ(sink_.closed, 0);
}

TEST_P(FrameReaderTest, BodiesAreValidUntilTheNextPoll) {
  for (uint32_t stream = 0; stream < 50; stream++) {
    Feed({Piece(FrameType::kMessage, FrameFlags::kMessage, stream,
                std::string(stream * 7, static_cast<char>(stream)))});
  }
  while (!connection_.incoming.empty()) {
    sink_.views.clear();
    const size_t first = sink_.frames.size();
    ASSERT_GT(reader_.Poll(), 0u);
    for (size_t i = 0; i < sink_.views.size(); i++) EXPECT_EQ(sink_.views[i], sink_.frames[first + i].body);
  }
  EXPECT_EQ(sink_.frames.size(), 50u);
}

TEST_P(FrameReaderTest, PiecesAreJoined) {
  Feed({FirstPiece(4, 9, "abc"), Continuation(4, "def", true), Continuation(4, "", true),
        Continuation(4, "ghi", false)});
  PollAll();
  ASSERT_EQ(sink_.frames.size(), 1u);
  EXPECT_EQ(sink_.frames[0].body, "abcdefghi");
  EXPECT_EQ(sink_.frames[0].header.type, FrameType::kMessage);
  EXPECT_EQ(sink_.frames[0].header.flags, FrameFlags::kMessage) << "MORE is of the pieces only";
  EXPECT_EQ(sink_.frames[0].header.stream, 4u);
}

TEST_P(FrameReaderTest, PiecesOfSeveralStreamsMix) {
  Feed({FirstPiece(1, 4, "ab"), FirstPiece(2, 3, ""),
        Piece(FrameType::kMessage, FrameFlags::kMessage, 3, "whole"), Continuation(2, "xyz", false),
        Continuation(1, "cd", false)});
  PollAll();
  ASSERT_EQ(sink_.frames.size(), 3u);
  EXPECT_EQ(sink_.frames[0].body, "whole");
  EXPECT_EQ(sink_.frames[1].body, "xyz");
  EXPECT_EQ(sink_.frames[2].body, "abcd");
}

TEST_P(FrameReaderTest, WhatTheWriterSplitsIsJoined) {
  FakeConnection out({.max_frame = 64, .inline_slot = 64});
  FrameWriter writer(out);
  WriteMutex mutex;
  for (size_t size = 0; size <= kMaxWhole; size += 13) {
    FrameWriter::Lock lock(mutex);
    writer.Send(lock, Piece(FrameType::kMessage, FrameFlags::kMessage, 1, "").header, std::string(size, 'x'),
                nullptr, 0);
  }
  Feed(out.sent);
  PollAll();
  ASSERT_EQ(sink_.frames.size(), kMaxWhole / 13 + 1);
  for (size_t i = 0; i < sink_.frames.size(); i++) EXPECT_EQ(sink_.frames[i].body, std::string(i * 13, 'x'));
}

TEST_P(FrameReaderTest, TooLargeWholeFrameIsSkipped) {
  Feed({Piece(FrameType::kMessage, 0, 5, std::string(kMaxWhole + 1, 'x')),
        Piece(FrameType::kMessage, 0, 6, std::string(kMaxWhole, 'y'))});
  PollAll();
  ASSERT_EQ(sink_.too_large.size(), 1u);
  EXPECT_EQ(sink_.too_large[0].header.stream, 5u);
  EXPECT_EQ(sink_.too_large[0].body, std::to_string(kMaxWhole + 1));
  ASSERT_EQ(sink_.frames.size(), 1u);
  EXPECT_EQ(sink_.frames[0].header.stream, 6u);
  EXPECT_EQ(sink_.closed, 0);
}

TEST_P(FrameReaderTest, TooLargeSplitFrameIsSkippedToItsEnd) {
  Feed({FirstPiece(5, kMaxWhole + 1, std::string(500, 'x')), Continuation(5, std::string(400, 'x'), true),
        Piece(FrameType::kMessage, 0, 6, "another's"), Continuation(5, std::string(101, 'x'), false),
        Piece(FrameType::kMessage, 0, 5, "next")});
  PollAll();
  ASSERT_EQ(sink_.too_large.size(), 1u);
  EXPECT_EQ(sink_.too_large[0].header.type, FrameType::kMessage);
  ASSERT_EQ(sink_.frames.size(), 2u);
  EXPECT_EQ(sink_.frames[0].body, "another's");
  EXPECT_EQ(sink_.frames[1].body, "next");
  EXPECT_EQ(sink_.closed, 0);
}

TEST_P(FrameReaderTest, LargestSizeTakesNoMemory) {
  Feed({FirstPiece(5, 0xffffffff, "x")});
  PollAll();
  EXPECT_EQ(sink_.too_large.size(), 1u);
  EXPECT_EQ(sink_.closed, 0);
}

TEST_P(FrameReaderTest, FirstPieceWithoutSizeIsAViolation) {
  ExpectViolation({Piece(FrameType::kMessage, FrameFlags::kMore, 1, "abc")}, "does not tell its size");
}

TEST_P(FrameReaderTest, ContinuationOfNothingIsAViolation) {
  ExpectViolation({Continuation(1, "abc", false)}, "continuation of no frame");
}

TEST_P(FrameReaderTest, ContinuationOfAnotherStreamIsAViolation) {
  ExpectViolation({FirstPiece(1, 4, "ab"), Continuation(2, "cd", false)}, "stream 2");
}

TEST_P(FrameReaderTest, SplitFrameWithinAnotherIsAViolation) {
  ExpectViolation({FirstPiece(1, 4, "ab"), FirstPiece(1, 4, "ab")}, "begins within another");
}

TEST_P(FrameReaderTest, FrameAmongThePiecesOfAnotherIsAViolation) {
  ExpectViolation({FirstPiece(1, 4, "ab"), Piece(FrameType::kMessage, FrameFlags::kMessage, 1, "c")},
                  "among the pieces");
}

TEST_P(FrameReaderTest, TooManySplitFramesAtOnceAreAViolation) {
  std::vector<Frame> frames;
  for (uint32_t stream = 0; stream <= kMaxSplit; stream++) frames.push_back(FirstPiece(stream, 4, "ab"));
  ExpectViolation(std::move(frames), "more than 3 split frames");
}

TEST_P(FrameReaderTest, HeaderThatCannotBeIsAViolation) {
  Frame described = Piece(FrameType::kMessage, FrameFlags::kMessage, 1, "abc");
  described.header.fd_count = 1;
  ExpectViolation({described}, "1 descriptors");
}

TEST_P(FrameReaderTest, MoreBytesThanToldIsAViolation) {
  ExpectViolation({FirstPiece(1, 4, "ab"), Continuation(1, "cde", true)}, "more than the 4 bytes");
}

TEST_P(FrameReaderTest, MoreBytesThanToldInTheFirstPieceIsAViolation) {
  ExpectViolation({FirstPiece(1, 1, "ab")}, "more than the 1 bytes");
}

TEST_P(FrameReaderTest, FewerBytesThanToldIsAViolation) {
  ExpectViolation({FirstPiece(1, 4, "ab"), Continuation(1, "c", false)}, "3 bytes instead of 4");
}

TEST_P(FrameReaderTest, TooLargeFrameIsHeldToItsSizeAsWell) {
  Feed({FirstPiece(1, 2000, "ab"), Continuation(1, "c", false)});
  PollAll();
  EXPECT_EQ(sink_.closed, 1);
  EXPECT_TRUE(absl::IsDataLoss(sink_.why)) << sink_.why;
}

TEST_P(FrameReaderTest, RefusedFrameEndsTheConnection) {
  sink_.refuse_all = true;
  Feed({Piece(FrameType::kMessage, 0, 1, "first"), Piece(FrameType::kMessage, 0, 1, "second")});
  PollAll();
  EXPECT_EQ(sink_.frames.size(), 1u);
  EXPECT_EQ(sink_.closed, 1);
  EXPECT_EQ(sink_.why, absl::DataLossError("refused"));
  EXPECT_TRUE(connection_.closed);
}

INSTANTIATE_TEST_SUITE_P(Memory, FrameReaderTest, testing::Bool(),
                         [](const testing::TestParamInfo<bool>& info) {
                           return info.param ? "Shared" : "Private";
                         });

// Larger than what one Poll copies out of shared memory.
TEST(FrameReader, LargeSharedBodyIsCopiedOut) {
  FakeConnection connection({.max_frame = 1u << 20, .inline_slot = 1u << 20});
  connection.shared = true;
  RecordingSink sink;
  FrameReader reader(connection, sink, 1u << 20, 1);
  for (int i = 0; i < 8; i++) {
    const size_t size = i % 2 == 0 ? 200'000 : 40'000;
    connection.incoming.push_back(
        Piece(FrameType::kMessage, 0, 1, std::string(size, static_cast<char>('a' + i))));
  }
  size_t seen = 0;
  while (reader.Poll() > 0) {
    for (; seen < sink.views.size(); seen++) ASSERT_EQ(sink.views[seen], sink.frames[seen].body);
  }
  EXPECT_EQ(seen, 8u);
}

}  // namespace
}  // namespace sidecall
