// Flow control, many streams at once, and the threads that serve them.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "call_stream_fixture.h"

namespace conformance {
namespace {

class StreamFlowTest : public StreamTest {};
SIDECALL_OVER_ALL_TRANSPORTS(StreamFlowTest);

uint64_t ProgressOf(const TestService::Stub& stub, const std::string& name) {
  PatientContext context;
  StreamRequest request;
  request.set_name(name);
  StreamSummary summary;
  EXPECT_TRUE(stub.Progress(&context, request, &summary).ok());
  return summary.messages();
}

// The server writes as much as the window allows, and no more; other calls go on; then all arrives.
TEST_P(StreamFlowTest, ClientStopsReading) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  StreamRequest request;
  request.set_name("stalled");
  request.set_count(2000);
  request.set_size(1000);
  const auto reader = stub.ServerStream(&context, request);
  EchoMessage message;
  ASSERT_TRUE(reader->Read(&message));

  const size_t cost = MessageOf(1, 1000).ByteSizeLong() + 64;
  const uint64_t window = ((256u << 10) + cost - 1) / cost;
  const absl::Time give_up = absl::Now() + absl::FromChrono(kPatience);
  while (ProgressOf(stub, "stalled") < window && absl::Now() < give_up) {
  }
  const uint64_t written = ProgressOf(stub, "stalled");
  EXPECT_GE(written, window);
  EXPECT_LE(written, window + 1) << "one was taken";
  for (int i = 0; i < 200; i++) EXPECT_TRUE(Echoes(stub, i));
  EXPECT_EQ(ProgressOf(stub, "stalled"), written) << "a stalled stream holds its window, and not more";

  for (int i = 1; i < 2000; i++) {
    ASSERT_TRUE(reader->Read(&message)) << i;
    ASSERT_TRUE(IsMessage(message, i, 1000));
  }
  EXPECT_FALSE(reader->Read(&message));
  EXPECT_TRUE(reader->Finish().ok());
}

// Each thread has a stream, and makes unary calls between its messages, all on one channel.
TEST_P(StreamFlowTest, ManyStreamsOnOneChannel) {
  const TestService::Stub stub = NewStub();
  constexpr int kThreads = 8;
  const int count = Scaled(300);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; thread++) {
    threads.emplace_back([&, thread] {
      PatientContext context;
      const auto stream = stub.BidirectionalStream(&context);
      EchoMessage reply;
      for (int i = 0; i < count; i++) {
        ASSERT_TRUE(stream->Write(MessageOf(i, static_cast<size_t>(thread * 100))));
        ASSERT_TRUE(stream->Read(&reply));
        ASSERT_TRUE(IsMessage(reply, i, static_cast<size_t>(thread * 100)));
        if (i % 10 == 0) {
          ASSERT_TRUE(Echoes(stub, i));
        }
      }
      EXPECT_TRUE(stream->WritesDone());
      EXPECT_FALSE(stream->Read(&reply));
      EXPECT_TRUE(stream->Finish().ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// One thread holds many streams open: each waiting handler has a thread, and none is in another's way.
TEST_P(StreamFlowTest, ManyOpenStreamsOfOneThread) {
  const TestService::Stub stub = NewStub();
  constexpr size_t kStreams = 40;
  std::vector<std::unique_ptr<PatientContext>> contexts;
  std::vector<std::unique_ptr<sidecall::ClientReaderWriter<EchoMessage, EchoMessage>>> streams;
  for (size_t i = 0; i < kStreams; i++) {
    contexts.push_back(std::make_unique<PatientContext>());
    streams.push_back(stub.BidirectionalStream(contexts.back().get()));
  }
  EchoMessage reply;
  for (int round = 0; round < 5; round++) {
    for (const auto& stream : streams) ASSERT_TRUE(stream->Write(MessageOf(round)));
    for (const auto& stream : streams) {
      ASSERT_TRUE(stream->Read(&reply));
      EXPECT_TRUE(IsMessage(reply, round));
    }
    EXPECT_TRUE(Echoes(stub, round));
  }
  for (const auto& stream : streams) EXPECT_TRUE(stream->Finish().ok());
}

// A thread in the Read of a stream on which nothing comes: it reads for every other of the channel.
class ReaderForAll {
 public:
  explicit ReaderForAll(const TestService::Stub& stub) : stream_(stub.BidirectionalStream(&context_)) {
    EXPECT_TRUE(stream_->Write(message_));
    EXPECT_TRUE(stream_->Read(&message_));
    thread_ = std::thread([this] { EXPECT_FALSE(stream_->Read(&message_)); });
  }
  ~ReaderForAll() {
    context_.TryCancel();
    thread_.join();
    EXPECT_TRUE(HasCode(stream_->Finish(), absl::StatusCode::kCancelled));
  }

 private:
  PatientContext context_;
  EchoMessage message_;
  std::unique_ptr<sidecall::ClientReaderWriter<EchoMessage, EchoMessage>> stream_;
  std::thread thread_;
};

// The end and its metadata are one: who is woken by it finds all of it, whoever has read it.
TEST_P(StreamFlowTest, InitialMetadataIsWholeWhenTheStreamEnds) {
  const TestService::Stub stub = NewStub();
  const ReaderForAll reader(stub);
  for (int i = 0; i < Scaled(300); i++) {
    PatientContext context;
    constexpr size_t kEntries = 2000;
    for (size_t entry = 0; entry < kEntries; entry++) context.AddMetadata("initial-k", "v");
    const auto stream = stub.ServerStream(&context, StreamRequest());
    stream->WaitForInitialMetadata();
    EXPECT_EQ(context.server_initial_metadata().size(), kEntries);
    EXPECT_TRUE(stream->Finish().ok());
  }
}

// More than the smallest ring holds, from several threads, while another one reads for all: whoever waits for
// room is woken, whoever makes it.
TEST_P(StreamFlowTest, WritersThatWaitForRoom) {
  const TestService::Stub stub = NewStub();
  const ReaderForAll reader_for_all(stub);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; thread++) {
    threads.emplace_back([&] {
      for (int round = 0; round < Scaled(10); round++) {
        PatientContext context;
        const auto stream = stub.BidirectionalStream(&context);
        std::thread reader([&] {
          EchoMessage ignored;
          while (stream->Read(&ignored)) {
          }
        });
        for (int i = 0; i < 40; i++) {
          EXPECT_TRUE(stream->Write(MessageOf(i), sidecall::WriteOptions().set_buffer_hint()));
          EXPECT_TRUE(stream->Write(MessageOf(i, 20000)));
        }
        EXPECT_TRUE(stream->WritesDone());
        reader.join();
        const absl::Status status = stream->Finish();
        EXPECT_TRUE(status.ok()) << status;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

class StreamThreadsTest : public CallTest {};
SIDECALL_OVER_TRANSPORTS_WHERE(StreamThreadsTest, SharesAServer);

// Handlers that wait hold all threads: a further call is told so, and theirs go on.
TEST_P(StreamThreadsTest, CallThatNoThreadIsLeftFor) {
  sidecall::ServerOptions options;
  options.max_handler_threads = 2;
  StartServer(options);
  const TestService::Stub stub = NewStub();
  PatientContext contexts[2];
  std::vector<std::unique_ptr<sidecall::ClientReaderWriter<EchoMessage, EchoMessage>>> streams;
  EchoMessage message;
  for (PatientContext& context : contexts) {
    streams.push_back(stub.BidirectionalStream(&context));
    ASSERT_TRUE(streams.back()->Write(message));
    ASSERT_TRUE(streams.back()->Read(&message));
  }
  PatientContext context;
  const absl::Status refused = NewStub().Echo(&context, message, &message);
  EXPECT_TRUE(HasCode(refused, absl::StatusCode::kResourceExhausted));
  EXPECT_TRUE(Says(refused, "max_handler_threads"));
  EXPECT_TRUE(sidecall::IsNotSent(refused));
  for (const auto& stream : streams) {
    EXPECT_TRUE(stream->Write(message));
    EXPECT_TRUE(stream->Read(&message));
    EXPECT_TRUE(stream->Finish().ok());
  }
  EXPECT_TRUE(Echoes(stub, 1)) << "now there are threads";
}

// One thread of a handler reads, another writes; the one that the server gave it waits for both.
class TwoThreadsService final : public TestService::Service {
  absl::Status BidirectionalStream(sidecall::ServerContext*,
                                   sidecall::ServerReaderWriter<EchoMessage, EchoMessage>* stream) override {
    int64_t read = 0;
    std::thread reader([&] {
      for (EchoMessage message; stream->Read(&message);) read++;
    });
    std::thread writer([&] {
      for (int i = 0; i < 100; i++) EXPECT_TRUE(stream->Write(MessageOf(i, 10000)));
    });
    reader.join();
    writer.join();
    stream->Write(MessageOf(read));
    return absl::OkStatus();
  }
};

TEST(StreamHandlerTest, HasThreadsOfItsOwn) {
  for (const size_t threads : {1, 10}) {
    const TempDir directory;
    const std::string address = "shm:" + directory.path() + "/server";
    TwoThreadsService service;
    sidecall::ServerOptions options;
    options.max_handler_threads = threads;
    auto server = sidecall::ServerBuilder()
                      .AddAddress(address)
                      .RegisterService(&service)
                      .SetOptions(options)
                      .BuildAndStart();
    ASSERT_TRUE(server.ok()) << server.status();
    const TestService::Stub stub(sidecall::CreateChannel(address));
    PatientContext context;
    const auto stream = stub.BidirectionalStream(&context);
    for (int i = 0; i < 50; i++) EXPECT_TRUE(stream->Write(MessageOf(i)));
    EXPECT_TRUE(stream->WritesDone());
    EchoMessage message;
    for (int i = 0; i < 100; i++) {
      ASSERT_TRUE(stream->Read(&message));
      EXPECT_TRUE(IsMessage(message, i, 10000));
    }
    ASSERT_TRUE(stream->Read(&message));
    EXPECT_EQ(message.number(), 50) << "all were read";
    EXPECT_FALSE(stream->Read(&message));
    EXPECT_TRUE(stream->Finish().ok());
  }
}

}  // namespace
}  // namespace conformance
