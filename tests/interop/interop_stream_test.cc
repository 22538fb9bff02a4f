// The interop cases of streams.
#include <atomic>
#include <thread>
#include <vector>

#include "interop_fixture.h"

namespace sidecall_interop {
namespace {

constexpr size_t kRequestSizes[] = {27182, 8, 1828, 45904};
constexpr int32_t kResponseSizes[] = {31415, 9, 2653, 58979};

TEST_P(InteropTest, client_streaming) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  StreamingInputCallResponse response;
  const auto writer = stub.StreamingInputCall(&context, &response);
  for (const size_t size : kRequestSizes) {
    StreamingInputCallRequest request;
    *request.mutable_payload() = PayloadOf(size);
    EXPECT_TRUE(writer->Write(request));
  }
  EXPECT_TRUE(writer->WritesDone());
  const absl::Status status = writer->Finish();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(response.aggregated_payload_size(), 74922);
}

TEST_P(InteropTest, server_streaming) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  const auto reader = stub.StreamingOutputCall(&context, RequestOf({31415, 9, 2653, 58979}));
  for (const int32_t size : kResponseSizes) ASSERT_TRUE(ReadsResponse(*reader, static_cast<size_t>(size)));
  EXPECT_TRUE(HasEnded(*reader));
  EXPECT_TRUE(HasEnded(*reader)) << "and none after that";
  const absl::Status status = reader->Finish();
  EXPECT_TRUE(status.ok()) << status;
}

TEST_P(InteropTest, ping_pong) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  const auto stream = stub.FullDuplexCall(&context);
  for (size_t i = 0; i < std::size(kRequestSizes); i++) {
    ASSERT_TRUE(stream->Write(RequestOf({kResponseSizes[i]}, kRequestSizes[i])));
    ASSERT_TRUE(ReadsResponse(*stream, static_cast<size_t>(kResponseSizes[i])));
  }
  EXPECT_TRUE(stream->WritesDone());
  EXPECT_TRUE(HasEnded(*stream));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_P(InteropTest, empty_stream) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  const auto stream = stub.FullDuplexCall(&context);
  EXPECT_TRUE(stream->WritesDone());
  EXPECT_TRUE(HasEnded(*stream));
  EXPECT_TRUE(stream->Finish().ok());
}

// Nothing comes before the half-close, though the requests, larger than a window together, have been taken.
TEST_P(InteropTest, half_duplex) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  const auto stream = stub.HalfDuplexCall(&context);
  std::atomic<bool> half_closed{false};
  std::thread reader([&] {
    for (const int32_t size : kResponseSizes) {
      EXPECT_TRUE(ReadsResponse(*stream, static_cast<size_t>(size)));
      EXPECT_TRUE(half_closed) << "a response before the half-close";
    }
    EXPECT_TRUE(HasEnded(*stream));
  });
  for (const int32_t size : kResponseSizes) EXPECT_TRUE(stream->Write(RequestOf({size}, 150000)));
  // Should the server answer early, then before it answers these.
  for (int call = 0; call < 20; call++) EXPECT_TRUE(CallsEmpty(stub));
  half_closed = true;
  EXPECT_TRUE(stream->WritesDone());
  reader.join();
  EXPECT_TRUE(stream->Finish().ok());
}

// 2 MB of responses to a client that has something else to do between any two: they wait, and none is lost.
TEST_P(InteropTest, slow_consumer) {
  constexpr int32_t kResponses = 2000;
  constexpr int32_t kSize = 1030;
  const TestService::Stub stub = NewStub();
  PatientContext context;
  StreamingOutputCallRequest request;
  for (int32_t i = 0; i < kResponses; i++) request.add_response_parameters()->set_size(kSize);
  const auto reader = stub.StreamingOutputCall(&context, request);
  for (int call = 0; call < conformance::Scaled(500); call++) ASSERT_TRUE(CallsEmpty(stub));
  for (int32_t i = 0; i < kResponses; i++) {
    ASSERT_TRUE(ReadsResponse(*reader, kSize)) << i;
    ASSERT_TRUE(CallsEmpty(stub)) << i;
  }
  EXPECT_TRUE(HasEnded(*reader));
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_P(InteropTest, cancel_after_begin) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  StreamingInputCallResponse response;
  const auto writer = stub.StreamingInputCall(&context, &response);
  context.TryCancel();
  EXPECT_TRUE(HasCode(writer->Finish(), absl::StatusCode::kCancelled));
  EXPECT_TRUE(CallsEmpty(stub));
}

TEST_P(InteropTest, cancel_after_first_response) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  const auto stream = stub.FullDuplexCall(&context);
  ASSERT_TRUE(stream->Write(RequestOf({31415}, 27182)));
  ASSERT_TRUE(ReadsResponse(*stream, 31415));
  context.TryCancel();
  EXPECT_TRUE(HasEnded(*stream));
  EXPECT_TRUE(HasCode(stream->Finish(), absl::StatusCode::kCancelled));
  EXPECT_TRUE(CallsEmpty(stub));
}

// The server would answer long after the deadline.
TEST_P(InteropTest, timeout_on_sleeping_server) {
  const TestService::Stub stub = NewStub();
  sidecall::ClientContext context;
  context.set_timeout(absl::Milliseconds(1));
  const auto stream = stub.FullDuplexCall(&context);
  StreamingOutputCallRequest request = RequestOf({31415}, 27182);
  request.mutable_response_parameters(0)->set_interval_us(
      std::chrono::microseconds(conformance::kPatience).count());
  (void)stream->Write(request);  // In time or too late.
  EXPECT_TRUE(HasEnded(*stream));
  EXPECT_TRUE(HasCode(stream->Finish(), absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(CallsEmpty(stub));
}

}  // namespace
}  // namespace sidecall_interop
