// Streams whose peer dies, leaves or shuts down, and calls that end in many ways at once.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "call_child.h"
#include "call_fixture.h"
#include "call_payload.h"

namespace conformance {
namespace {

using BidirectionalStream = sidecall::ClientReaderWriter<EchoMessage, EchoMessage>;

class StreamEndTest : public CallTest {
 protected:
  void SetUp() override { StartServer(); }
};
SIDECALL_OVER_ALL_TRANSPORTS(StreamEndTest);

class ServerDeathTest : public StreamEndTest {};
SIDECALL_OVER_TRANSPORTS_WHERE(ServerDeathTest, InTwoProcesses);

class ClientDeathInStreamTest : public StreamEndTest {};
SIDECALL_OVER_TRANSPORTS_WHERE(ClientDeathInStreamTest, [](const Setup& setup) {
  return InOneProcess(setup) && MayLeaveTheProcess(setup);
});

// -- Death
// ---------------------------------------------------------------------------------------------------------

TEST_P(ServerDeathTest, InEachKindOfStream) {
  ExpectRemains();
  const TestService::Stub stub = NewStub();
  // One reads, one writes without end, one does both; each in a thread of its own on one channel.
  auto reads = std::async(std::launch::async, [&] {
    PatientContext context;
    context.AddMetadata("end-gate", "death");
    StreamRequest request;
    request.set_count(10);
    const auto reader = stub.ServerStream(&context, request);
    EchoMessage message;
    int count = 0;
    while (reader->Read(&message)) count++;
    EXPECT_EQ(count, 10) << "what was sent before arrives";
    return reader->Finish();
  });
  auto writes = std::async(std::launch::async, [&] {
    PatientContext context;
    context.AddMetadata("gate", "death");
    StreamSummary summary;
    const auto writer = stub.ClientStream(&context, &summary);
    EchoMessage message;
    message.set_payload(std::string(10000, 'x'));
    while (writer->Write(message)) {
    }
    return writer->Finish();
  });
  std::promise<void> written;
  auto both = std::async(std::launch::async, [&] {
    PatientContext context;
    context.AddMetadata("gate", "death");
    const auto stream = stub.BidirectionalStream(&context);
    EchoMessage message;
    EXPECT_TRUE(stream->Write(message));
    written.set_value();
    EXPECT_FALSE(stream->Read(&message));
    EXPECT_FALSE(stream->Write(message));
    return stream->Finish();
  });
  ASSERT_TRUE(server().AwaitArrivals("death", 3));
  written.get_future().wait();  // A call arrives with its START, before its first message.
  server().Kill();
  for (std::future<absl::Status>* status : {&reads, &writes, &both}) {
    const absl::Status ended = status->get();
    EXPECT_TRUE(HasCode(ended, absl::StatusCode::kUnavailable));
    EXPECT_FALSE(sidecall::IsNotSent(ended)) << ended;
  }
}

TEST_P(ClientDeathInStreamTest, ServersHandlersEnd) {
  for (int round = 1; round <= 3; round++) {
    auto writer = Child::Start({"write-stream", address(), "writer"});
    auto reader = Child::Start({"read-stream", address(), "reader"});
    ASSERT_TRUE(writer != nullptr && reader != nullptr);
    ASSERT_EQ(writer->Receive(), "streaming");
    ASSERT_EQ(reader->Receive(), "streaming");
    writer->Kill();
    reader->Kill();
    EXPECT_TRUE(server().AwaitCancels("writer", round)) << "a handler that reads";
    EXPECT_TRUE(server().AwaitCancels("reader", round)) << "a handler that writes, and has no window";
    EXPECT_TRUE(Echoes(NewStub(), round)) << "the server lives";
  }
}

// -- Shutdown
// ---------------------------------------------------------------------------------------------------------

TEST_P(StreamEndTest, OpenStreamsFinishInAGracefulShutdown) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  const auto stream = stub.BidirectionalStream(&context);
  EchoMessage message;
  ASSERT_TRUE(stream->Write(message));
  ASSERT_TRUE(stream->Read(&message));
  server().BeginShutdown(absl::InfiniteDuration());
  // New calls are refused before long; the stream goes on.
  absl::Status refused;
  while (refused.ok()) {
    PatientContext echo_context;
    EchoMessage reply;
    refused = stub.Echo(&echo_context, EchoMessage(), &reply);
  }
  EXPECT_TRUE(HasCode(refused, absl::StatusCode::kUnavailable));
  for (int i = 0; i < 100; i++) {
    message.set_number(i);
    ASSERT_TRUE(stream->Write(message));
    ASSERT_TRUE(stream->Read(&message));
    EXPECT_EQ(message.number(), i);
  }
  const absl::Status status = stream->Finish();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_TRUE(server().AwaitShutdown());
}

TEST_P(StreamEndTest, StreamsAreCancelledWhenTheGraceHasPassed) {
  const TestService::Stub stub = NewStub();
  PatientContext reading_context;
  const auto reading = stub.BidirectionalStream(&reading_context);  // Its handler waits for a message,
  EchoMessage message;
  ASSERT_TRUE(reading->Write(message));
  ASSERT_TRUE(reading->Read(&message));
  PatientContext writing_context;
  StreamRequest request;
  request.set_count(100000);
  request.set_size(1000);
  const auto writing = stub.ServerStream(&writing_context, request);  // and this one's for window.
  ASSERT_TRUE(writing->Read(&message));
  server().BeginShutdown(absl::Milliseconds(20));
  EXPECT_TRUE(server().AwaitShutdown());
  EXPECT_FALSE(reading->Read(&message));
  const absl::Status read_status = reading->Finish();
  EXPECT_TRUE(absl::IsCancelled(read_status) || absl::IsUnavailable(read_status)) << read_status;
  while (writing->Read(&message)) {
  }
  const absl::Status write_status = writing->Finish();
  EXPECT_TRUE(absl::IsCancelled(write_status) || absl::IsUnavailable(write_status)) << write_status;
}

// Unary calls and streams in every state, at whatever moment: each ends, once, and nothing hangs.
TEST_P(StreamEndTest, ShutdownsUnderLoad) {
  for (int round = 0; round < Scaled(40); round++) {
    if (round > 0) StartServer();
    const TestService::Stub stub = NewStub();
    std::atomic<bool> stop{false};
    std::vector<std::thread> threads;
    threads.emplace_back([&] {
      while (!stop.load()) {
        PatientContext context;
        EchoMessage reply;
        if (!stub.Echo(&context, EchoMessage(), &reply).ok()) return;
      }
    });
    threads.emplace_back([&] {
      PatientContext context;
      const auto stream = stub.BidirectionalStream(&context);
      EchoMessage message;
      while (stream->Write(message) && stream->Read(&message)) {
      }
      EXPECT_FALSE(stream->Finish().ok());
    });
    threads.emplace_back([&] {
      PatientContext context;
      StreamSummary summary;
      const auto writer = stub.ClientStream(&context, &summary);
      EchoMessage message;
      while (writer->Write(message, sidecall::WriteOptions().set_buffer_hint())) {
      }
      EXPECT_FALSE(writer->Finish().ok());
    });
    EXPECT_TRUE(Echoes(stub, round));
    server().BeginShutdown(absl::Milliseconds(round % 3));
    EXPECT_TRUE(server().AwaitShutdown());
    StopServer();
    stop.store(true);
    for (std::thread& thread : threads) thread.join();
  }
}

// -- Cancellation at any moment
// ---------------------------------------------------------------------------------------------------------

TEST_P(StreamEndTest, StartAndCancel) {
  const TestService::Stub stub = NewStub();
  for (int i = 0; i < Scaled(2000); i++) {
    PatientContext context;
    const auto stream = stub.BidirectionalStream(&context);
    EchoMessage message;
    if (i % 3 > 0) stream->Write(message);
    if (i % 3 > 1) {
      EXPECT_TRUE(stream->Read(&message));
    }
    context.TryCancel();
    EXPECT_TRUE(HasCode(stream->Finish(), absl::StatusCode::kCancelled));
  }
  EXPECT_TRUE(Echoes(stub, 1));
}

// A cancel by another thread meets the reply: one of the two is the call's end.
TEST_P(StreamEndTest, CancelMeetsTheReply) {
  const TestService::Stub stub = NewStub();
  int cancelled = 0;
  for (int i = 0; i < Scaled(500); i++) {
    PatientContext context;
    std::atomic<bool> go{false};
    std::thread canceller([&] {
      while (!go.load()) std::this_thread::yield();
      context.TryCancel();
    });
    go.store(true);
    EchoMessage request;
    request.set_number(i);
    EchoMessage reply;
    const absl::Status status = stub.Echo(&context, request, &reply);
    canceller.join();
    EXPECT_TRUE(status.ok() || absl::IsCancelled(status)) << status;
    if (status.ok()) {
      EXPECT_EQ(reply.number(), i);
    } else {
      cancelled++;
      EXPECT_EQ(reply.number(), 0) << "a reply beside an error";
    }
  }
  EXPECT_TRUE(Echoes(stub, 1));
  testing::Test::RecordProperty("cancelled", cancelled);
}

}  // namespace
}  // namespace conformance
