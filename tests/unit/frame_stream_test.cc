#include "core/frame_stream.h"

#include <google/protobuf/wrappers.pb.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>
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
  const auto receive = [this](std::string_view messages) {
    ASSERT_TRUE(ReceiveSeveral(std::string(messages)).ok());
  };
  EXPECT_TRUE(burst.empty());
  for (const char* text : {"one", "", "three"}) AddTo(burst, text);
  EXPECT_FALSE(burst.empty());
  EXPECT_FALSE(burst.full());
  burst.Flush(receive);
  EXPECT_TRUE(burst.empty());
  burst.Flush([](std::string_view) { FAIL() << "there is nothing to send"; });
  AddTo(burst, "four");
  burst.End(receive);
  EXPECT_TRUE(burst.empty());
  bool ended = false;
  burst.End([&ended](std::string_view messages) {
    EXPECT_TRUE(messages.empty());
    ended = true;
  });
  EXPECT_TRUE(ended) << "the end of a stream may come behind a burst that another has sent";
  for (const char* text : {"one", "", "three", "four"}) ExpectNext(text);
}

// The address sanitizer sees where it does not.
TEST_F(FrameStreamTest, LargestMessageFitsBehindABurstThatIsNearlyFull) {
  FrameStream::Burst& burst = stream_.burst();
  const std::string largest(FrameStream::Burst::kMaxMessage - 3, 'x');
  for (int i = 0; i < 7; i++) AddTo(burst, largest);
  AddTo(burst, std::string(988, 'x'));
  ASSERT_FALSE(burst.full());
  AddTo(burst, largest);
  EXPECT_TRUE(burst.full());
  burst.End([](std::string_view messages) { EXPECT_EQ(messages.size(), 9219u); });
}

TEST_F(FrameStreamTest, BurstThatCouldNotBeSentIsSentLater) {
  FrameStream::Burst& burst = stream_.burst();
  while (!burst.full()) AddTo(burst, std::string(1000, 'x'));
  EXPECT_THROW(burst.End([](std::string_view) { throw std::bad_alloc(); }), std::bad_alloc);
  EXPECT_TRUE(burst.full());
  size_t sent = 0;
  burst.End([&sent](std::string_view messages) { sent = messages.size(); });
  EXPECT_EQ(sent, 9 * (sizeof(uint32_t) + 1003));
  EXPECT_FALSE(burst.full());
}

// One thread adds, another sends what is there: each message is sent once, in order.
TEST_F(FrameStreamTest, BurstIsSentByWhoeverComes) {
  constexpr uint32_t kFewestMessages = 100'000;
  constexpr uint32_t kMostMessages = 2'000'000;
  FrameStream::Burst& burst = stream_.burst();
  std::string sent;  // one sends at a time
  std::atomic<int> flushes{0};
  std::atomic<bool> over{false};
  std::thread flusher([&] {
    while (!over.load()) {
      burst.Flush([&](std::string_view messages) {
        sent += messages;
        flushes++;
      });
    }
  });
  const auto end = [&] { burst.End([&](std::string_view messages) { sent += messages; }); };
  google::protobuf::UInt32Value message;
  uint32_t added = 0;
  // On a busy machine the other thread may come late.
  for (; added < kFewestMessages || (flushes.load() == 0 && added < kMostMessages); added++) {
    if (added >= kFewestMessages) sched_yield();
    message.set_value(added);
    const internal::ProtobufSource source(message);
    burst.Add(source, source.ByteSize());
    if (burst.full()) end();
  }
  over = true;
  flusher.join();
  end();
  EXPECT_GT(flushes, 0);
  uint32_t next = 0;
  for (std::string_view left = sent; !left.empty(); next++) {
    uint32_t size = 0;
    std::memcpy(&size, left.data(), sizeof size);
    ASSERT_TRUE(message.ParseFromString(std::string(left.substr(sizeof size, size))));
    ASSERT_EQ(message.value(), next);
    left.remove_prefix(sizeof size + size);
  }
  EXPECT_EQ(next, added);
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
