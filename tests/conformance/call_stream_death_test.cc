// Streams whose client or server is killed.
#include <gtest/gtest.h>

#include <future>
#include <string>
#include <vector>

#include "call_child.h"
#include "call_fixture.h"

namespace conformance {
namespace {

class ServerDeathTest : public CallTest {
 protected:
  void SetUp() override {
    StartServer();
    ExpectRemains();
  }
  // Returns when the server is no more.
  void KillServer() {
    server().Kill();
    StopServer();
  }
};
SIDECALL_OVER_TRANSPORTS_WHERE(ServerDeathTest, InTwoProcesses);

class ClientDeathInStreamTest : public CallTest {
 protected:
  void SetUp() override { StartServer(); }

  // Kills a client that holds a stream open, having written `writes`; its handler notices.
  void KillAfter(const std::string& writes) {
    for (int round = 1; round <= 3; round++) {
      auto client = Child::Start({"hold-stream", address(), "held", writes});
      ASSERT_NE(client, nullptr);
      ASSERT_EQ(client->Receive(), "streaming");
      if (writes == "last") {
        EXPECT_TRUE(server().AwaitArrivals("held", round)) << "the handler has read to the end";
      }
      client->Kill();
      EXPECT_TRUE(server().AwaitCancels("held", round));
      EXPECT_TRUE(Echoes(NewStub(), round)) << "the server lives";
    }
  }
};
SIDECALL_OVER_TRANSPORTS_WHERE(ClientDeathInStreamTest, [](const Setup& setup) {
  return InOneProcess(setup) && MayLeaveTheProcess(setup);
});

TEST_P(ServerDeathTest, InEachKindOfStream) {
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

// What is written to a server that has died is refused, at the latest when the window is used up.
TEST_P(ServerDeathTest, BeforeAWrite) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  const auto stream = stub.BidirectionalStream(&context);
  EchoMessage message;
  message.set_payload(std::string(1000, 'x'));
  ASSERT_TRUE(stream->Write(message));
  ASSERT_TRUE(stream->Read(&message));
  PatientContext writer_context;
  writer_context.AddMetadata("metadata-first", "");
  StreamSummary summary;
  const auto writer = stub.ClientStream(&writer_context, &summary);
  writer->WaitForInitialMetadata();
  KillServer();
  int written = 0;
  while (written < 100000 && stream->Write(message)) written++;
  while (written < 100000 && writer->Write(message)) written++;
  EXPECT_LT(written, 100000);
  EXPECT_FALSE(stream->Read(&message));
  for (const absl::Status& ended : {stream->Finish(), writer->Finish()}) {
    EXPECT_TRUE(HasCode(ended, absl::StatusCode::kUnavailable));
    EXPECT_FALSE(sidecall::IsNotSent(ended)) << ended;
  }
}

TEST_P(ServerDeathTest, AfterAWrite) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  context.AddMetadata("gate", "never-opened");
  const auto stream = stub.BidirectionalStream(&context);
  EchoMessage message;
  ASSERT_TRUE(stream->Write(message));
  ASSERT_TRUE(server().AwaitArrivals("never-opened", 1));
  KillServer();
  EXPECT_FALSE(stream->Read(&message));
  const absl::Status ended = stream->Finish();
  EXPECT_TRUE(HasCode(ended, absl::StatusCode::kUnavailable));
  EXPECT_FALSE(sidecall::IsNotSent(ended)) << ended;
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

TEST_P(ClientDeathInStreamTest, BeforeItsFirstWrite) {
  KillAfter("none");
}

TEST_P(ClientDeathInStreamTest, AfterAWrite) {
  KillAfter("one");
}

TEST_P(ClientDeathInStreamTest, AfterItsLastWrite) {
  KillAfter("last");
}

}  // namespace
}  // namespace conformance
