// No message, one, two and many each way, and every way to say that no more follow.
#include <gtest/gtest.h>

#include <thread>

#include "call_stream_fixture.h"

namespace conformance {
namespace {

class StreamMessagesTest : public StreamTest {};
SIDECALL_OVER_ALL_TRANSPORTS(StreamMessagesTest);

constexpr int kCounts[] = {0, 1, 2, 100};

TEST_P(StreamMessagesTest, ToTheServer) {
  enum class LastWord { kWritesDone, kFinish, kWriteLast };
  const TestService::Stub stub = NewStub();
  for (const LastWord last_word : {LastWord::kWritesDone, LastWord::kFinish, LastWord::kWriteLast}) {
    for (const int count : kCounts) {
      PatientContext context;
      StreamSummary summary;
      const auto writer = stub.ClientStream(&context, &summary);
      for (int i = 1; i <= count; i++) {
        if (i == count && last_word == LastWord::kWriteLast) {
          EXPECT_TRUE(writer->WriteLast(MessageOf(i, 10), sidecall::WriteOptions()));
        } else {
          EXPECT_TRUE(writer->Write(MessageOf(i, 10)));
        }
      }
      if (last_word == LastWord::kWritesDone) {
        EXPECT_TRUE(writer->WritesDone());
      }
      const absl::Status status = writer->Finish();
      EXPECT_TRUE(status.ok()) << status;
      EXPECT_EQ(summary.messages(), static_cast<uint64_t>(count));
      EXPECT_EQ(summary.sum(), int64_t{count} * (count + 1) / 2);
    }
  }
}

TEST_P(StreamMessagesTest, ToTheClient) {
  const TestService::Stub stub = NewStub();
  for (const int count : kCounts) {
    PatientContext context;
    StreamRequest request;
    request.set_count(static_cast<uint64_t>(count));
    request.set_size(10);
    const auto reader = stub.ServerStream(&context, request);
    EchoMessage message;
    for (int i = 0; i < count; i++) {
      ASSERT_TRUE(reader->Read(&message));
      EXPECT_TRUE(IsMessage(message, i, 10));
    }
    EXPECT_FALSE(reader->Read(&message));
    EXPECT_FALSE(reader->Read(&message)) << "and none after that";
    const absl::Status status = reader->Finish();
    EXPECT_TRUE(status.ok()) << status;
  }
}

TEST_P(StreamMessagesTest, EachWayInTurn) {
  const TestService::Stub stub = NewStub();
  for (const int count : kCounts) {
    PatientContext context;
    const auto stream = stub.BidirectionalStream(&context);
    EchoMessage reply;
    for (int i = 0; i < count; i++) {
      ASSERT_TRUE(stream->Write(MessageOf(i, 10)));
      ASSERT_TRUE(stream->Read(&reply));
      EXPECT_TRUE(IsMessage(reply, i, 10));
    }
    EXPECT_TRUE(stream->WritesDone());
    EXPECT_FALSE(stream->Read(&reply));
    EXPECT_TRUE(stream->Finish().ok());
  }
}

// All are written before the first is read.
TEST_P(StreamMessagesTest, EachWayTogether) {
  const TestService::Stub stub = NewStub();
  for (const int count : kCounts) {
    PatientContext context;
    const auto stream = stub.BidirectionalStream(&context);
    for (int i = 0; i < count; i++) ASSERT_TRUE(stream->Write(MessageOf(i, 10)));
    EXPECT_TRUE(stream->WritesDone());
    EchoMessage reply;
    for (int i = 0; i < count; i++) {
      ASSERT_TRUE(stream->Read(&reply));
      EXPECT_TRUE(IsMessage(reply, i, 10));
    }
    EXPECT_FALSE(stream->Read(&reply));
    EXPECT_TRUE(stream->Finish().ok());
  }
}

// One thread is in Read, while another says that no more follow.
TEST_P(StreamMessagesTest, SimultaneousReadsAndWritesDone) {
  const TestService::Stub stub = NewStub();
  for (int round = 0; round < Scaled(300); round++) {
    PatientContext context;
    const auto stream = stub.BidirectionalStream(&context);
    const int count = round % 4;
    for (int i = 0; i < count; i++) ASSERT_TRUE(stream->Write(MessageOf(i)));
    std::thread reader([&] {
      EchoMessage reply;
      int read = 0;
      for (; stream->Read(&reply); read++) EXPECT_TRUE(IsMessage(reply, read));
      EXPECT_EQ(read, count);
    });
    EXPECT_TRUE(stream->WritesDone());
    reader.join();
    const absl::Status status = stream->Finish();
    EXPECT_TRUE(status.ok()) << status;
  }
}

}  // namespace
}  // namespace conformance
