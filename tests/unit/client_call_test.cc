// A call's end: whatever comes at once (the reply, the connection's end, the caller's leaving), it ends
// exactly once.
#include "core/client_call.h"

#include <google/protobuf/wrappers.pb.h>
#include <gtest/gtest.h>

#include <atomic>
#include <new>
#include <random>
#include <thread>

#include "sidecall/client_context.h"

namespace sidecall {
namespace {

constexpr internal::Method kMethod("test.Service/Method", internal::MethodKind::kUnary);
constexpr internal::Method kStreamMethod("test.Service/Stream",
                                         internal::MethodKind::kBidirectionalStreaming);

FrameHeader EndHeader(uint32_t stream, uint32_t code) {
  FrameHeader header;
  header.type = FrameType::kEnd;
  header.flags = code == 0 ? FrameFlags::kMessage : 0;
  header.stream = stream;
  header.code = code;
  return header;
}

class NoMemoryTarget final : public internal::MessageTarget {
 public:
  bool Parse(const char* /*bytes*/, size_t /*size*/) override { throw std::bad_alloc(); }
};

// Whoever reads: the caller, or another thread that would leave the caller to wait for ever.
TEST(ClientCall, EndsWithoutMemoryForItsReply) {
  for (const bool own : {true, false}) {
    ClientCall call(3);
    ClientContext context;
    NoMemoryTarget reply;
    const uint32_t stream = call.Begin(kMethod, context, &reply);
    EXPECT_TRUE(call.CompleteWith(EndHeader(stream, 0), "", 100, own).ok());
    ASSERT_TRUE(call.done());
    EXPECT_TRUE(absl::IsResourceExhausted(call.Take()));
    EXPECT_TRUE(call.free());
  }
}

TEST(ClientCall, EndsExactlyOnce) {
  constexpr int kCalls = 20000;
  ClientCall call(3);
  std::atomic<uint32_t> begun{0};
  std::atomic<int> ends{0};
  // The reader: ends each call that has begun, with a reply, an error, or as a connection's end does, or with
  // two of them.
  std::thread reader([&] {
    std::mt19937 random(1);
    uint32_t last = 0;
    while (ends.load() < kCalls) {
      const uint32_t stream = begun.load(std::memory_order_acquire);
      if (stream == last) {
        // Where both threads share a CPU, the other would wait for this one's whole time slice.
        std::this_thread::yield();
        continue;
      }
      last = stream;
      switch (random() % 4) {
        case 0:
          EXPECT_TRUE(call.CompleteWith(EndHeader(stream, 0), "", 100, false).ok());
          break;
        case 1:
          EXPECT_TRUE(call.CompleteWith(EndHeader(stream, 5), "", 100, false).ok());
          break;
        case 2:
          call.Fail(absl::UnavailableError("the connection ended"), false);
          break;
        case 3:
          EXPECT_TRUE(call.CompleteWith(EndHeader(stream, 5), "", 100, false).ok());
          call.Fail(absl::UnavailableError("the connection ended"), false);
          break;
      }
      ends.fetch_add(1);
    }
  });
  std::mt19937 random(2);
  int left = 0;
  int taken = 0;
  for (int i = 0; i < kCalls; i++) {
    ClientContext context;
    google::protobuf::StringValue reply;
    internal::ProtobufTarget target(reply);
    ASSERT_TRUE(call.free());
    begun.store(call.Begin(kMethod, context, &target), std::memory_order_release);
    if (random() % 8 == 0) std::this_thread::yield();  // where there is one CPU, an end comes first only so
    for (uint32_t spins = random() % 200; spins > 0 && !call.done(); spins--) {
    }
    if (call.Abandon()) {
      left++;
      // The reader touches neither context nor reply any more, and frees the index.
    } else {
      while (!call.done()) std::this_thread::yield();
      const absl::Status status = call.Take();
      EXPECT_TRUE(status.ok() || absl::IsNotFound(status) || absl::IsUnavailable(status)) << status;
      taken++;
    }
    while (ends.load() <= i) std::this_thread::yield();
    EXPECT_TRUE(call.free()) << "neither held for ever, nor freed before the end";
  }
  reader.join();
  EXPECT_EQ(left + taken, kCalls);
  EXPECT_GT(left, 0);
  EXPECT_GT(taken, 0);
}

TEST(ClientCall, StreamsIndexIsUsedAgainByUnaryCalls) {
  ClientCall call(0);
  ClientContext context;
  google::protobuf::StringValue reply;
  internal::ProtobufTarget target(reply);
  const uint32_t stream = call.BeginStreaming(kStreamMethod, context, nullptr, 100, 100);
  ASSERT_NE(call.streaming(), nullptr);
  EXPECT_TRUE(absl::IsDataLoss(call.CompleteWith(EndHeader(stream, 0), "", 100, false)))
      << "a message in the end";
  EXPECT_TRUE(absl::IsUnavailable(call.Take()));
  const uint32_t next = call.Begin(kMethod, context, &target);
  EXPECT_EQ(call.streaming(), nullptr);
  EXPECT_NE(next, stream);
  EXPECT_TRUE(call.CompleteWith(EndHeader(next, 0), "", 100, true).ok());
  EXPECT_TRUE(call.Take().ok());
}

TEST(ClientCall, InitialMetadataOnce) {
  ClientCall call(0);
  ClientContext context;
  call.BeginStreaming(kStreamMethod, context, nullptr, 100, 100);
  EXPECT_FALSE(call.has_initial_metadata());
  const std::string none(4, '\0');
  EXPECT_TRUE(call.TakeInitialMetadata(none).ok());
  EXPECT_TRUE(call.has_initial_metadata());
  EXPECT_TRUE(absl::IsDataLoss(call.TakeInitialMetadata(none)));
  ASSERT_TRUE(call.Abandon());
  EXPECT_TRUE(call.TakeInitialMetadata(none).ok()) << "nobody looks any more";
  EXPECT_FALSE(call.free()) << "its end is still to come";
}

}  // namespace
}  // namespace sidecall
