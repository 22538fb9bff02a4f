#include "core/frame_stream.h"

#include <google/protobuf/wrappers.pb.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace sidecall {
namespace {

using Taken = FrameStream::Taken;
using F = FrameFlags;
using google::protobuf::BytesValue;

constexpr uint64_t kMaxMessage = 1000;
constexpr uint32_t kWindow = 1000;

FrameHeader MessageHeader(uint8_t flags = F::kMessage) {
  FrameHeader header;
  header.type = FrameType::kMessage;
  header.flags = flags;
  return header;
}

// A message whose bytes on the wire are `text` and two more, as long as it is short.
BytesValue Message(const std::string& text) {
  BytesValue message;
  message.set_value(text);
  return message;
}

class FrameStreamTest : public testing::Test {
 protected:
  FrameStreamTest() { stream_.Begin(kWindow, kWindow); }

  absl::Status Receive(const std::string& text, bool own = false) {
    std::string body = Message(text).SerializeAsString();
    const size_t size = body.size();
    body.append(internal::kReadableBehindMessage, '\xff');
    return stream_.OnMessage(MessageHeader(), {body.data(), size}, kMaxMessage, own);
  }
  absl::Status ReceiveSeveral(const std::string& body, uint8_t more_flags = 0) {
    return stream_.OnMessage(MessageHeader(F::kMessage | F::kSeveral | more_flags), body, kMaxMessage, false);
  }
  Taken Take(std::string& text) {
    BytesValue message;
    internal::ProtobufTarget target(message);
    const Taken taken = stream_.Take(target);
    text = message.value();
    return taken;
  }
  void ExpectNext(const std::string& text) {
    std::string got;
    EXPECT_EQ(Take(got), Taken::kMessage);
    EXPECT_EQ(got, text);
  }

  FrameStream stream_;
  std::string text_;
};

TEST_F(FrameStreamTest, MessagesComeInOrderAndThenTheEnd) {
  EXPECT_EQ(Take(text_), Taken::kNothing);
  ASSERT_TRUE(Receive("a").ok());
  ASSERT_TRUE(Receive("").ok());
  ExpectNext("a");
  ASSERT_TRUE(Receive("c").ok());
  ASSERT_TRUE(stream_.OnMessage(MessageHeader(F::kHalfClose), "", kMaxMessage, false).ok());
  ExpectNext("");
  ExpectNext("c");
  EXPECT_EQ(Take(text_), Taken::kEnd);
  EXPECT_EQ(Take(text_), Taken::kEnd);
  EXPECT_FALSE(stream_.over()) << "this side may still send";
}

// A connection's memory is counted while consumers take what has come: nothing counts twice on its way.
TEST_F(FrameStreamTest, WhatIsTakenIsNotCountedTwice) {
  constexpr int kRounds = 20'000;
  std::atomic<int> received{0};
  std::atomic<int> taken{0};
  std::thread consumer([&] {
    std::string text;
    for (int round = 1; round <= kRounds; round++) {
      while (received.load() < round) std::this_thread::yield();
      EXPECT_EQ(Take(text), Taken::kMessage);
      EXPECT_EQ(Take(text), Taken::kNothing);
      (void)stream_.WindowToReturn();
      taken.store(round);
    }
  });
  size_t most = 0;
  size_t one = 0;
  for (int round = 1; round <= kRounds; round++) {
    ASSERT_TRUE(Receive("x").ok());
    if (round == 1) one = stream_.unread_bytes();
    received.store(round);
    while (taken.load() < round) {
      most = std::max(most, stream_.unread_bytes());
      std::this_thread::yield();
    }
  }
  consumer.join();
  EXPECT_EQ(most, one);
}

TEST_F(FrameStreamTest, MessageForAWaitingConsumerIsParsedAtOnce) {
  BytesValue message;
  internal::ProtobufTarget target(message);
  stream_.Expect(target);
  EXPECT_FALSE(stream_.HasNext());
  ASSERT_TRUE(Receive("first", true).ok());
  EXPECT_EQ(message.value(), "first");
  EXPECT_TRUE(stream_.HasNext());
  ASSERT_TRUE(Receive("second", true).ok()) << "kept";
  EXPECT_EQ(stream_.TakeExpected(target), Taken::kMessage);
  EXPECT_EQ(message.value(), "first");
  ExpectNext("second");
}

TEST_F(FrameStreamTest, AnotherThreadsMessageIsKept) {
  BytesValue message;
  internal::ProtobufTarget target(message);
  stream_.Expect(target);
  ASSERT_TRUE(Receive("kept", false).ok());
  EXPECT_EQ(message.value(), "") << "the consumer's object is its own";
  EXPECT_TRUE(stream_.HasNext());
  EXPECT_EQ(stream_.TakeExpected(target), Taken::kMessage);
  EXPECT_EQ(message.value(), "kept");
}

TEST_F(FrameStreamTest, MalformedMessage) {
  ASSERT_TRUE(stream_.OnMessage(MessageHeader(), "\xff", kMaxMessage, false).ok());
  EXPECT_EQ(Take(text_), Taken::kMalformed);
}

TEST_F(FrameStreamTest, Several) {
  const std::string body("\x03\0\0\0\x0a\x01x\0\0\0\0\x04\0\0\0\x0a\x02yz", 19);
  ASSERT_TRUE(ReceiveSeveral(body, F::kHalfClose).ok());
  ExpectNext("x");
  ExpectNext("");
  ExpectNext("yz");
  EXPECT_EQ(Take(text_), Taken::kEnd);
}

TEST_F(FrameStreamTest, SeveralThatCannotBe) {
  EXPECT_TRUE(ReceiveSeveral("").ok()) << "none";
  for (const std::string& body : {std::string("\x01", 1), std::string("\x01\0\0\0", 4),
                                  std::string("\0\0\0\0\xff\xff\xff\xff"
                                              "abc",
                                              11),
                                  std::string("\0\0\0\0\0", 5)}) {
    stream_.Begin(kWindow, kWindow);
    EXPECT_TRUE(absl::IsDataLoss(ReceiveSeveral(body))) << body.size();
    EXPECT_EQ(Take(text_), Taken::kNothing) << "nothing of it was kept";
  }
  EXPECT_TRUE(
      absl::IsResourceExhausted(ReceiveSeveral("\xe9\x03" + std::string(2, '\0') + std::string(1001, 'x'))));
}

TEST_F(FrameStreamTest, EachOfSeveralCountsForTheWindow) {
  // Empty ones, of 64 bytes each: the 16th is begun with 40 bytes of window left, the 17th with none.
  EXPECT_TRUE(ReceiveSeveral(std::string(size_t{16} * 4, '\0')).ok());
  EXPECT_TRUE(absl::IsDataLoss(ReceiveSeveral(std::string(4, '\0'))));
  stream_.Begin(kWindow, kWindow);
  EXPECT_TRUE(absl::IsDataLoss(ReceiveSeveral(std::string(size_t{17} * 4, '\0'))));
}

TEST_F(FrameStreamTest, WindowIsKeptAndReturned) {
  const std::string large(434, 'x');  // 437 bytes, so 501 with the cost
  ASSERT_TRUE(Receive(large).ok());
  ASSERT_TRUE(Receive(large).ok()) << "begun with 499 left: below 0 by one message";
  EXPECT_TRUE(absl::IsDataLoss(Receive("")));
  EXPECT_TRUE(absl::IsDataLoss(stream_.CheckMessageBegins()));
  EXPECT_EQ(stream_.WindowToReturn(), 0u) << "none was taken";
  ExpectNext(large);
  EXPECT_EQ(stream_.WindowToReturn(), 501u) << "half of it, and more";
  EXPECT_EQ(stream_.WindowToReturn(), 0u) << "once";
  EXPECT_TRUE(Receive("").ok());
  ExpectNext(large);
  ExpectNext("");
  EXPECT_EQ(stream_.WindowToReturn(), 501u + 64u);
}

TEST_F(FrameStreamTest, SmallMessagesAreReturnedTogether) {
  ASSERT_TRUE(Receive("a").ok());
  ExpectNext("a");
  EXPECT_EQ(stream_.WindowToReturn(), 0u) << "a frame for each would be a waste";
}

TEST_F(FrameStreamTest, SendWindow) {
  EXPECT_TRUE(stream_.has_window());
  stream_.Spend(500);
  EXPECT_TRUE(stream_.has_window());
  stream_.Spend(500);
  EXPECT_FALSE(stream_.has_window());
  EXPECT_TRUE(stream_.OnWindow(128).ok());
  EXPECT_FALSE(stream_.has_window()) << "exactly none";
  EXPECT_TRUE(stream_.OnWindow(1).ok());
  EXPECT_TRUE(stream_.has_window());
  EXPECT_TRUE(absl::IsDataLoss(stream_.OnWindow(INT32_MAX)));
  EXPECT_TRUE(absl::IsDataLoss(stream_.OnWindow(UINT64_MAX)));
}

TEST_F(FrameStreamTest, TimeToLookForWindow) {
  EXPECT_FALSE(stream_.TimeToLookForWindow());
  stream_.Spend(500);
  EXPECT_TRUE(stream_.TimeToLookForWindow());
  EXPECT_FALSE(stream_.TimeToLookForWindow()) << "not at each message";
  stream_.Spend(100);
  EXPECT_TRUE(stream_.TimeToLookForWindow());
  ASSERT_TRUE(stream_.OnWindow(700).ok());
  EXPECT_FALSE(stream_.TimeToLookForWindow());
  stream_.Spend(500);
  EXPECT_TRUE(stream_.TimeToLookForWindow());
}

TEST_F(FrameStreamTest, FirstReasonCounts) {
  stream_.Break(absl::CancelledError("first"));
  stream_.Break(absl::InternalError("second"));
  EXPECT_TRUE(stream_.broken());
  EXPECT_TRUE(stream_.over());
  EXPECT_EQ(stream_.why_broken(), absl::CancelledError("first"));
  stream_.Begin(kWindow, kWindow);
  EXPECT_FALSE(stream_.broken()) << "the next stream is another";
}

void AddTo(FrameStream::Burst& burst, const std::string& text) {
  const BytesValue message = Message(text);
  const internal::ProtobufSource source(message);
  burst.Add(source, source.ByteSize());
}

TEST_F(FrameStreamTest, BurstIsWhatSeveralAre) {
  FrameStream::Burst& burst = stream_.burst();
  EXPECT_TRUE(burst.empty());
  for (const char* text : {"one", "", "three"}) AddTo(burst, text);
  EXPECT_FALSE(burst.empty());
  EXPECT_FALSE(burst.full());
  ASSERT_TRUE(ReceiveSeveral(std::string(burst.unsent())).ok());
  burst.MarkSent(burst.unsent().size());
  EXPECT_TRUE(burst.empty());
  AddTo(burst, "four");
  ASSERT_TRUE(ReceiveSeveral(std::string(burst.unsent())).ok()) << "only what was added since";
  burst.Clear();
  EXPECT_TRUE(burst.empty());
  for (const char* text : {"one", "", "three", "four"}) ExpectNext(text);
}

TEST_F(FrameStreamTest, LargestMessageFitsBehindABurstThatIsNearlyFull) {
  FrameStream::Burst& burst = stream_.burst();
  size_t added = 0;
  for (; !burst.full(); added++) AddTo(burst, std::string(FrameStream::Burst::kMaxMessage - 3, 'x'));
  EXPECT_EQ(burst.unsent().size(), added * (sizeof(uint32_t) + FrameStream::Burst::kMaxMessage));
}

// One thread adds, another sends what is there: each message is sent once, in order.
TEST_F(FrameStreamTest, BurstIsSentByWhoeverComes) {
  constexpr uint32_t kMessages = 100'000;
  FrameStream::Burst& burst = stream_.burst();
  std::string sent;  // under the mutex
  const auto send = [&] {
    const std::string_view unsent = burst.unsent();
    sent += unsent;
    burst.MarkSent(unsent.size());
  };
  std::atomic<bool> over{false};
  std::thread flusher([&] {
    while (!over.load()) {
      if (burst.empty()) continue;
      const std::lock_guard lock(stream_.burst_mutex());
      send();
    }
  });
  google::protobuf::UInt32Value message;
  for (uint32_t i = 0; i < kMessages; i++) {
    message.set_value(i);
    const internal::ProtobufSource source(message);
    burst.Add(source, source.ByteSize());
    if (!burst.full()) continue;
    const std::lock_guard lock(stream_.burst_mutex());
    send();
    burst.Clear();
  }
  over = true;
  flusher.join();
  send();
  uint32_t next = 0;
  for (std::string_view left = sent; !left.empty(); next++) {
    uint32_t size = 0;
    std::memcpy(&size, left.data(), sizeof size);
    ASSERT_TRUE(message.ParseFromString(std::string(left.substr(sizeof size, size))));
    ASSERT_EQ(message.value(), next);
    left.remove_prefix(sizeof size + size);
  }
  EXPECT_EQ(next, kMessages);
}

// Both sides of a stream by two threads: everything arrives, in order, and nobody sleeps for ever.
TEST_F(FrameStreamTest, ConsumerSleepsUntilAMessageOrTheEnd) {
  constexpr int kMessages = 20000;
  FrameStream sender;
  sender.Begin(kWindow, kWindow);
  std::thread reader([&] {
    for (int i = 0; i < kMessages; i++) {
      while (!sender.has_window()) {
        sender.producer().Announce();
        if (!sender.has_window()) sender.producer().Sleep(kInfiniteFutureNanos);
        sender.producer().Cancel();
      }
      const std::string bytes = Message(std::to_string(i)).SerializeAsString();
      sender.Spend(bytes.size());
      ASSERT_TRUE(stream_.OnMessage(MessageHeader(), bytes, kMaxMessage, false).ok());
    }
    stream_.EndReceiving();
  });
  int taken = 0;
  for (;;) {
    std::string text;
    const Taken next = Take(text);
    if (next == Taken::kEnd) break;
    if (next == Taken::kNothing) {
      stream_.consumer().Announce();
      if (!stream_.HasNext()) stream_.consumer().Sleep(kInfiniteFutureNanos);
      stream_.consumer().Cancel();
      continue;
    }
    ASSERT_EQ(text, std::to_string(taken++));
    if (const uint64_t bytes = stream_.WindowToReturn(); bytes > 0) {
      ASSERT_TRUE(sender.OnWindow(bytes).ok());
    }
  }
  reader.join();
  EXPECT_EQ(taken, kMessages);
}

}  // namespace
}  // namespace sidecall
