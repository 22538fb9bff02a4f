// Streams, and calls of every kind, that are cancelled or too late.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "call_stream_fixture.h"
#include "call_thread_state.h"

namespace conformance {
namespace {

class CancelTest : public StreamTest {};
SIDECALL_OVER_ALL_TRANSPORTS(CancelTest);

class UnreadTest : public CancelTest {};
SIDECALL_OVER_TRANSPORTS_WHERE(UnreadTest, HasRoomForUnread);

// -- Each kind of stream, at three moments of its handler: before its first message, while it waits for one
// or for window, and after its last.
// ---------------------------------------------------------------------------------------------------------

enum class Moment { kBeforeTheFirst, kBetween, kAfterTheLast };
constexpr Moment kMoments[] = {Moment::kBeforeTheFirst, Moment::kBetween, Moment::kAfterTheLast};

// The gate at which the handler stands, or will stand, when the call is cancelled.
std::string AddGate(sidecall::ClientContext& context, Moment moment) {
  const std::string gate = "moment-" + std::to_string(static_cast<int>(moment));
  context.AddMetadata(moment == Moment::kBeforeTheFirst ? "gate" : "end-gate", gate);
  return gate;
}

TEST_P(CancelTest, ClientStreaming) {
  const TestService::Stub stub = NewStub();
  for (const Moment moment : kMoments) {
    PatientContext context;
    const std::string gate = AddGate(context, moment);
    context.AddMetadata("metadata-first", "");
    StreamSummary summary;
    const auto writer = stub.ClientStream(&context, &summary);
    writer->WaitForInitialMetadata();
    EXPECT_TRUE(writer->Write(MessageOf(1)));
    if (moment == Moment::kAfterTheLast) {
      EXPECT_TRUE(writer->WritesDone());
    }
    if (moment != Moment::kBetween) {
      ASSERT_TRUE(server().AwaitArrivals(gate, 1));
    }
    context.TryCancel();
    EXPECT_FALSE(writer->Write(MessageOf(2)));
    EXPECT_TRUE(HasCode(writer->Finish(), absl::StatusCode::kCancelled));
    EXPECT_EQ(summary.messages(), 0u) << "a reply came beside an error";
    EXPECT_TRUE(server().AwaitCancels(gate, 1));
  }
  EXPECT_TRUE(Echoes(stub, 1));
}

TEST_P(CancelTest, ServerStreaming) {
  const TestService::Stub stub = NewStub();
  for (const Moment moment : kMoments) {
    PatientContext context;
    const std::string gate = AddGate(context, moment);
    StreamRequest request;
    request.set_count(moment == Moment::kAfterTheLast ? 2 : 100000);
    request.set_size(1000);
    const auto reader = stub.ServerStream(&context, request);
    EchoMessage message;
    if (moment == Moment::kBetween) {
      ASSERT_TRUE(reader->Read(&message));
    } else {
      ASSERT_TRUE(server().AwaitArrivals(gate, 1));
    }
    context.TryCancel();
    EXPECT_FALSE(reader->Read(&message));
    EXPECT_TRUE(HasCode(reader->Finish(), absl::StatusCode::kCancelled));
    EXPECT_TRUE(server().AwaitCancels(gate, 1));
  }
  EXPECT_TRUE(Echoes(stub, 1));
}

TEST_P(CancelTest, Bidirectional) {
  const TestService::Stub stub = NewStub();
  for (const Moment moment : kMoments) {
    PatientContext context;
    const std::string gate = AddGate(context, moment);
    const auto stream = stub.BidirectionalStream(&context);
    EchoMessage reply;
    EXPECT_TRUE(stream->Write(MessageOf(1)));
    if (moment == Moment::kAfterTheLast) {
      EXPECT_TRUE(stream->WritesDone());
    }
    if (moment == Moment::kBetween) {
      ASSERT_TRUE(stream->Read(&reply));
    } else {
      ASSERT_TRUE(server().AwaitArrivals(gate, 1));
    }
    context.TryCancel();
    EXPECT_FALSE(stream->Write(MessageOf(2)));
    EXPECT_FALSE(stream->Read(&reply));
    EXPECT_TRUE(HasCode(stream->Finish(), absl::StatusCode::kCancelled));
    EXPECT_TRUE(server().AwaitCancels(gate, 1));
  }
  EXPECT_TRUE(Echoes(stub, 1));
}

// -- Other moments, and other ends
// ---------------------------------------------------------------------------------------------------------

TEST_P(CancelTest, CancelWhileReading) {
  const TestService::Stub stub = NewStub();
  for (int i = 0; i < 20; i++) {
    PatientContext context;
    const auto stream = stub.BidirectionalStream(&context);
    EchoMessage reply;
    ASSERT_TRUE(stream->Write(MessageOf(1)));
    ASSERT_TRUE(stream->Read(&reply));
    std::thread canceller([&] { context.TryCancel(); });
    EXPECT_FALSE(stream->Read(&reply));
    canceller.join();
    EXPECT_TRUE(HasCode(stream->Finish(), absl::StatusCode::kCancelled));
  }
  EXPECT_TRUE(Echoes(stub, 1));
}

TEST_P(CancelTest, CancelOfAUnaryCall) {
  const TestService::Stub stub = NewStub();
  PatientContext before;
  before.TryCancel();
  EchoMessage reply;
  absl::Status status = stub.Echo(&before, MessageOf(1), &reply);
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kCancelled));
  EXPECT_TRUE(sidecall::IsNotSent(status));

  // Two that sleep: one reads for both, and both are reached.
  PatientContext first_context;
  PatientContext second_context;
  SleepRequest request;
  request.set_gate("unary");
  absl::Status first;
  absl::Status second;
  std::thread first_thread([&] {
    EchoMessage ignored;
    first = stub.Sleep(&first_context, request, &ignored);
  });
  std::thread second_thread([&] {
    EchoMessage ignored;
    second = stub.Sleep(&second_context, request, &ignored);
  });
  EXPECT_TRUE(server().AwaitArrivals("unary", 2));
  first_context.TryCancel();
  first_thread.join();
  EXPECT_TRUE(server().AwaitCancels("unary", 1));
  second_context.TryCancel();
  second_thread.join();
  EXPECT_TRUE(server().AwaitCancels("unary", 2));
  EXPECT_TRUE(HasCode(first, absl::StatusCode::kCancelled));
  EXPECT_TRUE(HasCode(second, absl::StatusCode::kCancelled));
  EXPECT_FALSE(sidecall::IsNotSent(first));
  EXPECT_TRUE(Echoes(stub, 1));
  first_context.TryCancel();  // It has ended: no effect.
}

TEST_P(CancelTest, CancelReachesNestedCalls) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  SleepRequest request;
  request.set_gate("nested");
  std::thread canceller([&] {
    EXPECT_TRUE(server().AwaitArrivals("nested", 1));
    context.TryCancel();
  });
  EchoMessage reply;
  EXPECT_TRUE(HasCode(stub.SleepNested(&context, request, &reply), absl::StatusCode::kCancelled));
  canceller.join();
  EXPECT_TRUE(server().AwaitCancels("nested", 1)) << "the nested call's handler knows";
}

TEST_P(CancelTest, DeadlineReachesNestedCalls) {
  const TestService::Stub stub = NewStub();
  sidecall::ClientContext context;
  // Long enough for the nested call to begin.
  context.set_timeout(absl::Milliseconds(100) * kSlowness);
  SleepRequest request;
  request.set_gate("nested-deadline");
  EchoMessage reply;
  EXPECT_TRUE(HasCode(stub.SleepNested(&context, request, &reply), absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(server().AwaitCancels("nested-deadline", 1)) << "the nested call's handler knows";
  EXPECT_TRUE(Echoes(stub, 1));
}

TEST(NestedContextTest, TheEarlierDeadlineCounts) {
  sidecall::ServerContext parent;
  const sidecall::PeerIdentity peer;
  constexpr int64_t kParents = int64_t{1} << 60;
  parent.Start(nullptr, peer, kParents);
  const auto nested = sidecall::ClientContext::FromServerContext(parent);
  EXPECT_EQ(nested->deadline_nanos(), kParents);
  nested->set_timeout(absl::Hours(1));
  EXPECT_LT(nested->deadline_nanos(), kParents);
  nested->set_timeout(absl::InfiniteDuration());
  EXPECT_EQ(nested->deadline_nanos(), kParents);
  nested->set_deadline(absl::InfiniteFuture());
  EXPECT_EQ(nested->deadline_nanos(), kParents);
  parent.MarkCancelled();
  EXPECT_TRUE(nested->cancelled());
  EXPECT_TRUE(sidecall::ClientContext::FromServerContext(parent)->cancelled()) << "and one that comes late";
}

// What the cancelled handlers had written fills a small ring, and nobody reads before the next one writes.
TEST_P(UnreadTest, LeavesTheNextHandlerRoom) {
  const TestService::Stub stub = NewStub();
  StreamRequest many;
  many.set_count(100000);
  many.set_size(1000);
  StreamRequest few;
  few.set_count(10);
  few.set_size(1000);
  for (int i = 1; i <= 20; i++) {
    PatientContext cancelled;
    cancelled.AddMetadata("end-gate", "cancelled");
    const auto unread = stub.ServerStream(&cancelled, many);
    EchoMessage message;
    ASSERT_TRUE(unread->Read(&message));
    cancelled.TryCancel();
    EXPECT_TRUE(HasCode(unread->Finish(), absl::StatusCode::kCancelled));
    ASSERT_TRUE(server().AwaitCancels("cancelled", i));
    PatientContext context;
    context.AddMetadata("end-gate", "next");
    const auto reader = stub.ServerStream(&context, few);
    ASSERT_TRUE(server().AwaitArrivals("next", i)) << i;
  }
}

// Nobody is inside of the stream: the server learns of it all the same.
TEST_P(CancelTest, CancelOfAnIdleStream) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  context.AddMetadata("end-gate", "idle");
  const auto stream = stub.BidirectionalStream(&context);
  EchoMessage reply;
  ASSERT_TRUE(stream->Write(MessageOf(1)));
  ASSERT_TRUE(stream->Read(&reply));
  context.TryCancel();
  EXPECT_TRUE(server().AwaitCancels("idle", 1));
  EXPECT_TRUE(HasCode(stream->Finish(), absl::StatusCode::kCancelled));
}

TEST_P(CancelTest, CancelBeforeTheStartOfEachKind) {
  const TestService::Stub stub = NewStub();
  PatientContext contexts[3];
  for (PatientContext& context : contexts) context.TryCancel();
  StreamSummary summary;
  EchoMessage message;
  const auto writer = stub.ClientStream(&contexts[0], &summary);
  EXPECT_FALSE(writer->Write(message));
  EXPECT_TRUE(HasCode(writer->Finish(), absl::StatusCode::kCancelled));
  const auto reader = stub.ServerStream(&contexts[1], StreamRequest());
  EXPECT_FALSE(reader->Read(&message));
  EXPECT_TRUE(HasCode(reader->Finish(), absl::StatusCode::kCancelled));
  const auto both = stub.BidirectionalStream(&contexts[2]);
  EXPECT_FALSE(both->Read(&message));
  EXPECT_TRUE(HasCode(both->Finish(), absl::StatusCode::kCancelled));
}

TEST_P(CancelTest, CancelOfABlockedWrite) {
  const TestService::Stub stub = NewStub();
  PatientContext blocked_context;
  blocked_context.AddMetadata("gate", "blocked");
  StreamSummary summary;
  const auto writer = stub.ClientStream(&blocked_context, &summary);
  std::thread canceller([&] {
    EXPECT_TRUE(server().AwaitArrivals("blocked", 1));
    blocked_context.TryCancel();
  });
  while (writer->Write(MessageOf(1, 10000))) {
  }
  canceller.join();
  EXPECT_TRUE(HasCode(writer->Finish(), absl::StatusCode::kCancelled));
}

// With small messages the window lasts for long: a writer looks now and then all the same.
TEST_P(CancelTest, SlowWriterLearnsOfTheEnd) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  context.AddMetadata("end-after", "0");
  context.AddMetadata("code", "9");
  StreamSummary summary;
  const auto writer = stub.ClientStream(&context, &summary);
  int written = 0;
  // What is waited for is the time itself: a tick of the clock by which a writer looks.
  for (; written < 100 && writer->Write(MessageOf(written)); written++) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_LT(written, 100);
  EXPECT_TRUE(HasCode(writer->Finish(), absl::StatusCode::kFailedPrecondition));
}

// gRPC allows it, and so it must not break: what is not read by then is dropped.
TEST_P(CancelTest, FinishBesideARead) {
  const TestService::Stub stub = NewStub();
  for (int round = 0; round < Scaled(200); round++) {
    PatientContext context;
    const auto stream = stub.BidirectionalStream(&context);
    std::thread reader([&] {
      EchoMessage message;
      for (int read = 0; stream->Read(&message); read++) EXPECT_TRUE(IsMessage(message, read));
    });
    for (int i = 0; i < 10; i++) EXPECT_TRUE(stream->Write(MessageOf(i)));
    const absl::Status status = stream->Finish();
    EXPECT_TRUE(status.ok()) << status;
    reader.join();
  }
}

// Finish has waited for the Read: behind it the stream may go, as the sanitizers see.
TEST_P(CancelTest, DestroyedBehindAFinishBesideARead) {
  const TestService::Stub stub = NewStub();
  for (int round = 0; round < Scaled(50); round++) {
    PatientContext context;
    auto stream = stub.BidirectionalStream(&context);
    std::atomic<pid_t> reader_id{0};
    std::thread reader([&reader_id, &stream = *stream] {
      reader_id.store(gettid());
      EchoMessage message;
      EXPECT_FALSE(stream.Read(&message));
    });
    AwaitSleepOf(reader_id);
    const absl::Status status = stream->Finish();
    stream.reset();
    EXPECT_TRUE(status.ok()) << status;
    reader.join();
  }
}

TEST_P(CancelTest, DestroyedStreamIsCancelled) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  context.AddMetadata("end-gate", "destroyed");
  {
    const auto stream = stub.BidirectionalStream(&context);
    EchoMessage reply;
    ASSERT_TRUE(stream->Write(MessageOf(1)));
    ASSERT_TRUE(stream->Read(&reply));
  }
  EXPECT_TRUE(server().AwaitCancels("destroyed", 1));
  EXPECT_TRUE(Echoes(stub, 1));
}

TEST_P(CancelTest, DeadlineWhileReading) {
  const TestService::Stub stub = NewStub();
  sidecall::ClientContext context;
  context.set_timeout(absl::Milliseconds(100) * kSlowness);
  context.AddMetadata("gate", "deadline");
  const auto reader = stub.ServerStream(&context, StreamRequest());
  EchoMessage message;
  EXPECT_FALSE(reader->Read(&message));
  EXPECT_TRUE(HasCode(reader->Finish(), absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(server().AwaitCancels("deadline", 1));
}

TEST_P(CancelTest, DeadlineWhileWriting) {
  const TestService::Stub stub = NewStub();
  sidecall::ClientContext context;
  context.set_timeout(absl::Milliseconds(100) * kSlowness);
  context.AddMetadata("gate", "deadline");
  StreamSummary summary;
  const auto writer = stub.ClientStream(&context, &summary);
  while (writer->Write(MessageOf(1, 10000))) {
  }
  EXPECT_TRUE(HasCode(writer->Finish(), absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(server().AwaitCancels("deadline", 1));
}

}  // namespace
}  // namespace conformance
