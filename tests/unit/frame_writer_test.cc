// Splitting, and what happens to frames that find no room.
#include "core/frame_writer.h"

#include <gmock/gmock.h>
#include <google/protobuf/wrappers.pb.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "sidecall/internal/message.h"
#include "tests/unit/fake_connection.h"

namespace sidecall {
namespace {

// A message of given bytes, which lets the test look in while it is serialized.
class BytesSource final : public internal::MessageSource {
 public:
  explicit BytesSource(std::string bytes) : bytes_(std::move(bytes)) {}
  size_t ByteSize() const override { return bytes_.size(); }
  void SerializeTo(uint8_t* memory) const override {
    if (during) during();
    std::memcpy(memory, bytes_.data(), bytes_.size());
  }
  bool SerializeTo(google::protobuf::io::ZeroCopyOutputStream* stream) const override {
    size_t at = 0;
    while (at < bytes_.size()) {
      void* data = nullptr;
      int size = 0;
      if (!stream->Next(&data, &size)) return false;
      if (during) during();
      const size_t part = std::min(bytes_.size() - at, static_cast<size_t>(size));
      std::memcpy(data, bytes_.data() + at, part);
      at += part;
      if (part < static_cast<size_t>(size)) stream->BackUp(size - static_cast<int>(part));
    }
    return true;
  }
  std::function<void()> during;

 private:
  const std::string bytes_;
};

std::string Pattern(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; i++) bytes[i] = static_cast<char>(i * 7 + i / 256);
  return bytes;
}

FrameHeader Header(uint32_t stream, FrameType type = FrameType::kMessage, Lane lane = Lane::kData) {
  FrameHeader header;
  header.type = type;
  header.flags = FrameFlags::kMessage;
  header.lane = lane;
  header.stream = stream;
  header.code = 5;
  header.argument = 6;
  return header;
}

class FrameWriterTest : public testing::Test {
 protected:
  void Send(FrameHeader header, std::string_view head, const std::string& message) {
    const BytesSource source(message);
    FrameWriter::Lock lock(mutex_);
    writer_.Send(lock, header, head, &source, message.size());
    EXPECT_TRUE(lock.owns_lock());
  }
  void Flush() {
    FrameWriter::Lock lock(mutex_);
    writer_.Flush(lock);
  }
  std::vector<uint32_t> SentStreams() const {
    std::vector<uint32_t> streams;
    for (const Frame& frame : connection_.sent) streams.push_back(frame.header.stream);
    return streams;
  }

  static constexpr size_t kMaxFrame = 64;
  WriteMutex mutex_;
  FakeConnection connection_{{.max_frame = kMaxFrame, .inline_slot = kMaxFrame}};
  FrameWriter writer_{connection_};
};

TEST_F(FrameWriterTest, SmallFrameGoesAsItIs) {
  Send(Header(3), "head", "message");
  ASSERT_EQ(connection_.sent.size(), 1u);
  const Frame& frame = connection_.sent[0];
  EXPECT_EQ(frame.body, "headmessage");
  EXPECT_EQ(frame.header.length, 11u);
  EXPECT_EQ(frame.header.flags, FrameFlags::kMessage);
  EXPECT_EQ(frame.header.stream, 3u);
  EXPECT_EQ(frame.header.code, 5u);
  EXPECT_EQ(frame.header.argument, 6u);
  EXPECT_EQ(connection_.flushes, 0u);
  Flush();
  EXPECT_EQ(connection_.flushes, 1u);
  EXPECT_FALSE(writer_.has_pending());
}

// Puts pieces together as docs/protocol.md says; the frame before it was split.
std::string Joined(const std::vector<Frame>& pieces, const FrameHeader& header) {
  std::string joined;
  for (size_t i = 0; i < pieces.size(); i++) {
    const FrameHeader& piece = pieces[i].header;
    EXPECT_EQ(piece.length, pieces[i].body.size());
    EXPECT_EQ(piece.stream, header.stream);
    EXPECT_EQ(piece.lane, header.lane);
    EXPECT_EQ(piece.has(FrameFlags::kMore), i + 1 < pieces.size());
    EXPECT_EQ(piece.type, i == 0 ? header.type : FrameType::kContinuation);
    if (i == 0) {
      EXPECT_EQ(piece.flags, header.flags | FrameFlags::kMore);
    }
    joined += pieces[i].body;
  }
  uint32_t whole = 0;
  EXPECT_GE(joined.size(), sizeof whole);
  std::memcpy(&whole, joined.data(), sizeof whole);
  EXPECT_EQ(whole, joined.size() - sizeof whole);
  return joined.substr(sizeof whole);
}

TEST_F(FrameWriterTest, EverySizeAroundTheLimitArrivesWhole) {
  for (size_t head = 0; head <= 2 * kMaxFrame; head += 16) {
    for (size_t size = 0; size <= 4 * kMaxFrame + 2; size++) {
      connection_.sent.clear();
      const std::string message = Pattern(size);
      const std::string sections(head, 'h');
      Send(Header(9), sections, message);
      if (head + size <= kMaxFrame) {
        ASSERT_EQ(connection_.sent.size(), 1u);
        ASSERT_EQ(connection_.sent[0].body, sections + message);
      } else {
        ASSERT_EQ(connection_.sent.size(), (head + size + 4 + kMaxFrame - 1) / kMaxFrame)
            << head << " " << size;
        ASSERT_EQ(Joined(connection_.sent, Header(9)), sections + message) << head << " " << size;
      }
    }
  }
}

TEST_F(FrameWriterTest, SplitProtobufMessageIsTheMessage) {
  google::protobuf::BytesValue value;
  value.set_value(Pattern(1000));
  const internal::ProtobufSource source(value);
  FrameWriter::Lock lock(mutex_);
  writer_.Send(lock, Header(1), "h", &source, source.ByteSize());
  EXPECT_EQ(Joined(connection_.sent, Header(1)), "h" + value.SerializeAsString());
}

TEST_F(FrameWriterTest, MessageThatShrankIsFilledWithZeros) {
  const BytesSource source("short");
  FrameWriter::Lock lock(mutex_);
  writer_.Send(lock, Header(1), {}, &source, 200);
  EXPECT_EQ(Joined(connection_.sent, Header(1)), "short" + std::string(195, '\0'));
}

TEST_F(FrameWriterTest, NoRoomQueuesAndKeepsOrder) {
  connection_.room = 1;
  for (uint32_t stream = 1; stream <= 4; stream++) Send(Header(stream), {}, "message");
  EXPECT_THAT(SentStreams(), testing::ElementsAre(1));
  EXPECT_TRUE(writer_.has_pending());
  connection_.room = 2;
  Send(Header(5), {}, "message");  // There is room, but others came first.
  Flush();
  EXPECT_THAT(SentStreams(), testing::ElementsAre(1, 2, 3));
  EXPECT_TRUE(writer_.has_pending());
  connection_.room = 99;
  Flush();
  EXPECT_THAT(SentStreams(), testing::ElementsAre(1, 2, 3, 4, 5));
  EXPECT_FALSE(writer_.has_pending());
  for (const Frame& frame : connection_.sent) EXPECT_EQ(frame.body, "message");
}

TEST_F(FrameWriterTest, ControlOvertakesDataThatWaits) {
  connection_.room = 0;
  Send(Header(1), {}, "message");
  Send(Header(2), {}, "message");
  connection_.room = 1;
  Send(Header(7, FrameType::kCancel, Lane::kControl), {}, "");
  EXPECT_THAT(SentStreams(), testing::ElementsAre(7));
  connection_.room = 99;
  Flush();
  EXPECT_THAT(SentStreams(), testing::ElementsAre(7, 1, 2));
}

TEST_F(FrameWriterTest, UrgentOvertakesDataThatWaits) {
  connection_.room = 0;
  Send(Header(1), {}, "message");
  Send(Header(2, FrameType::kMessage, Lane::kUrgent), {}, "message");
  Send(Header(3), {}, "message");
  Send(Header(4, FrameType::kMessage, Lane::kUrgent), {}, "message");
  connection_.room = 1;
  Send(Header(5, FrameType::kMessage, Lane::kUrgent), {}, "message");
  EXPECT_TRUE(connection_.sent.empty()) << "it overtook its own lane";
  connection_.room = 99;
  Flush();
  EXPECT_THAT(SentStreams(), testing::ElementsAre(2, 4, 5, 1, 3));
  EXPECT_FALSE(writer_.has_pending());
}

TEST_F(FrameWriterTest, UrgentGoesAtOnceWhereOnlyDataWaits) {
  connection_.room = 0;
  Send(Header(1), {}, "message");
  connection_.room = 1;
  Send(Header(2, FrameType::kMessage, Lane::kUrgent), {}, "message");
  EXPECT_THAT(SentStreams(), testing::ElementsAre(2));
  EXPECT_TRUE(writer_.has_pending());
}

TEST_F(FrameWriterTest, ControlWithoutRoomWaitsToo) {
  connection_.room = 0;
  Send(Header(7, FrameType::kCancel, Lane::kControl), {}, "");
  EXPECT_TRUE(connection_.sent.empty());
  EXPECT_TRUE(writer_.has_pending());
  connection_.room = 99;
  Flush();
  EXPECT_THAT(SentStreams(), testing::ElementsAre(7));
}

TEST_F(FrameWriterTest, ControlWithoutRoomIsStateNotAQueue) {
  connection_.room = 0;
  const auto send = [&](FrameType type, uint32_t stream, uint64_t argument) {
    FrameHeader header = Header(stream, type, Lane::kControl);
    header.argument = argument;
    Send(header, {}, "");
  };
  for (uint64_t i = 1; i <= 1000; i++) {
    send(FrameType::kPong, 0, i);
    send(FrameType::kWindow, 7, i);
    send(FrameType::kCancel, 7, 0);
    send(FrameType::kCancel, 8, 0);
  }
  connection_.room = 99;
  Flush();
  ASSERT_THAT(SentStreams(), testing::ElementsAre(0, 7, 7, 8));
  EXPECT_EQ(connection_.sent[0].header.argument, 1000u) << "the last";
  EXPECT_EQ(connection_.sent[1].header.argument, 500500u) << "the sum";
  EXPECT_FALSE(writer_.has_pending());
}

TEST_F(FrameWriterTest, EndsThatWaitAreCounted) {
  connection_.room = 1;
  for (uint32_t stream = 1; stream <= 3; stream++) Send(Header(stream, FrameType::kEnd), {}, "message");
  Send(Header(4), {}, "no end");
  Send(Header(5, FrameType::kEnd), {}, Pattern(3 * kMaxFrame));
  EXPECT_EQ(writer_.pending_ends(), 3u);
  connection_.room = 99;
  Flush();
  EXPECT_EQ(writer_.pending_ends(), 0u);
}

TEST_F(FrameWriterTest, SplitFrameWithoutRoomHalfWayArrivesWhole) {
  for (size_t room = 0; room <= 5; room++) {
    connection_.sent.clear();
    connection_.room = room;
    Send(Header(1), {}, Pattern(5 * kMaxFrame - 4));
    EXPECT_EQ(connection_.sent.size(), room);
    EXPECT_EQ(writer_.has_pending(), room < 5);
    connection_.room = 99;
    Flush();
    ASSERT_EQ(connection_.sent.size(), 5u);
    EXPECT_EQ(Joined(connection_.sent, Header(1)), Pattern(5 * kMaxFrame - 4));
  }
}

TEST(FrameWriter, LargeSlotIsFilledOutsideTheLock) {
  FakeConnection connection({.max_frame = 64, .inline_slot = 16});
  FrameWriter writer(connection);
  WriteMutex mutex;
  BytesSource large(Pattern(64));
  // Another stream sends meanwhile. Its frame is committed first; its size says whether the lock is free.
  large.during = [&] {
    ASSERT_TRUE(mutex.try_lock());
    FrameWriter::Lock lock(mutex, std::adopt_lock);
    const BytesSource small("small");
    writer.Send(lock, Header(2), {}, &small, 5);
  };
  FrameWriter::Lock lock(mutex);
  writer.Send(lock, Header(1), {}, &large, 64);
  ASSERT_TRUE(lock.owns_lock());
  ASSERT_EQ(connection.sent.size(), 2u);
  EXPECT_EQ(connection.sent[0].header.stream, 2u);
  EXPECT_EQ(connection.sent[1].header.stream, 1u);
  EXPECT_EQ(connection.sent[1].body, Pattern(64));
}

TEST(FrameWriter, InlineSlotIsFilledUnderTheLock) {
  FakeConnection connection({.max_frame = 64, .inline_slot = 16});
  FrameWriter writer(connection);
  WriteMutex mutex;
  BytesSource small(Pattern(16));
  bool looked = false;
  FrameWriter::Lock lock(mutex);
  small.during = [&] {
    looked = true;
    EXPECT_TRUE(lock.owns_lock());
  };
  writer.Send(lock, Header(1), {}, &small, 16);
  EXPECT_TRUE(looked);
  EXPECT_EQ(connection.sent.size(), 1u);
}

}  // namespace
}  // namespace sidecall
