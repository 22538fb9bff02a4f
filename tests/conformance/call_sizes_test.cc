// Messages of every size, with random content, each byte of which is compared.
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "call_fixture.h"
#include "call_payload.h"

namespace conformance {
namespace {

class SizesTest : public CallTest {
 protected:
  void SetUp() override { StartServer(); }
};
SIDECALL_OVER_ALL_TRANSPORTS(SizesTest);

TEST_P(SizesTest, Edges) {
  const TestService::Stub stub = NewStub();
  std::vector<size_t> sizes = {0, 1};
  for (const size_t edge : {16u, 64u, 4096u, 16u << 10, 64u << 10, 128u << 10, 1u << 20, 2u << 20}) {
    // Frames and records have headers of up to 32 bytes, messages of up to 8.
    for (int off : {-72, -64, -40, -33, -32, -31, -24, -9, -8, -7, -4, -1, 0, 1, 8}) {
      if (static_cast<int64_t>(edge) + off > 0) sizes.push_back(edge + static_cast<size_t>(off));
      if (kSanitized && edge > 64u << 10) break;
    }
  }
  for (const size_t size : sizes) ASSERT_TRUE(EchoesPayload(stub, size, size));
}

// So that every offset in a ring, and every split, comes up.
TEST_P(SizesTest, ManyRandomOnes) {
  const TestService::Stub stub = NewStub();
  std::minstd_rand random(20240229);
  for (int round = 0; round < Scaled(2000); round++) {
    ASSERT_TRUE(
        EchoesPayload(stub, random() % (round % 20 == 0 ? 200000 : 3000), static_cast<uint64_t>(round)));
  }
}

// An EchoMessage with a payload of this size is 4 MiB as it travels.
constexpr size_t kFourMebibytes = (4u << 20) - 5;

TEST_P(SizesTest, ExactlyTheDefaultLimit) {
  const TestService::Stub stub = NewStub();
  EchoMessage message;
  message.mutable_payload()->resize(kFourMebibytes);
  ASSERT_EQ(message.ByteSizeLong(), 4u << 20);
  EXPECT_TRUE(EchoesPayload(stub, kFourMebibytes, 1));
  EXPECT_TRUE(EchoesPayload(stub, kFourMebibytes, 2));
}

TEST_P(SizesTest, RequestBeyondTheDefaultLimit) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  EchoMessage request;
  *request.mutable_payload() = RandomPayload(kFourMebibytes + 1, 1);
  LargeReply reply;
  const absl::Status status = stub.TakeLarge(&context, request, &reply);
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kResourceExhausted));
  EXPECT_TRUE(Says(status, "4194305")) << "the size";
  EXPECT_TRUE(Says(status, "4194304")) << "the limit";
  EXPECT_TRUE(sidecall::IsNotSent(status));
  EXPECT_TRUE(Echoes(stub, 1)) << "the connection lives on";
}

absl::Status CallReturnLarge(const TestService::Stub& stub, size_t size, bool initial, bool trailing) {
  PatientContext context;
  LargeRequest request;
  request.set_size(size);
  request.set_seed(size);
  request.set_initial_metadata(initial);
  request.set_trailing_metadata(trailing);
  EchoMessage reply;
  absl::Status status = stub.ReturnLarge(&context, request, &reply);
  EXPECT_TRUE(!status.ok() || reply.payload() == RandomPayload(size, size));
  return status;
}

// The limit is the message's, whatever travels beside it.
TEST_P(SizesTest, RepliesAroundTheDefaultLimit) {
  const TestService::Stub stub = NewStub();
  for (const bool initial : {false, true}) {
    for (const bool trailing : {false, true}) {
      const absl::Status at_limit = CallReturnLarge(stub, kFourMebibytes, initial, trailing);
      EXPECT_TRUE(at_limit.ok()) << at_limit << " initial " << initial << " trailing " << trailing;
      const absl::Status beyond = CallReturnLarge(stub, kFourMebibytes + 1, initial, trailing);
      EXPECT_TRUE(HasCode(beyond, absl::StatusCode::kResourceExhausted))
          << " initial " << initial << trailing;
      EXPECT_TRUE(Says(beyond, "4194305")) << "the size";
      EXPECT_TRUE(Says(beyond, "4194304")) << "the limit";
      EXPECT_FALSE(sidecall::IsNotSent(beyond));
    }
  }
  EXPECT_TRUE(HasCode(CallReturnLarge(stub, 12u << 20, false, false), absl::StatusCode::kResourceExhausted));
  EXPECT_TRUE(Echoes(stub, 1)) << "the connection lives on";
}

class LimitsTest : public CallTest {};
SIDECALL_OVER_ALL_TRANSPORTS(LimitsTest);

TEST_P(LimitsTest, ServersLimitIsSettable) {
  sidecall::ServerOptions small;
  small.max_receive_message_bytes = 1000;
  StartServer(small);
  const TestService::Stub stub = NewStub();
  EXPECT_TRUE(EchoesPayload(stub, 1000 - 3, 1));
  PatientContext context;
  EchoMessage request;
  *request.mutable_payload() = RandomPayload(1000 - 2, 1);
  EchoMessage reply;
  const absl::Status status = stub.Echo(&context, request, &reply);
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kResourceExhausted));
  EXPECT_TRUE(Says(status, "1001"));
  EXPECT_TRUE(CallReturnLarge(stub, 100000, false, false).ok()) << "replies have another limit";
  EXPECT_TRUE(Echoes(stub, 1));
}

TEST_P(LimitsTest, ClientsLimitIsSettable) {
  StartServer();
  sidecall::ChannelOptions small;
  small.max_receive_message_bytes = 1000;
  const TestService::Stub stub = NewStub(small);
  EXPECT_TRUE(CallReturnLarge(stub, 1000 - 3, false, false).ok());
  const absl::Status status = CallReturnLarge(stub, 1000 - 2, false, false);
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kResourceExhausted));
  EXPECT_TRUE(Says(status, "1001"));
  EXPECT_TRUE(Says(status, "takes 1000."));
  EXPECT_TRUE(HasCode(CallReturnLarge(stub, 3u << 20, false, false), absl::StatusCode::kResourceExhausted));
  EXPECT_TRUE(Echoes(stub, 1)) << "the connection lives on";
}

// The answer to a request of a few bytes.
TEST_P(LimitsTest, HugeResponse) {
  StartServer();
  sidecall::ChannelOptions options;
  options.max_receive_message_bytes = 128u << 20;
  const TestService::Stub stub = NewStub(options);
  const absl::Status status = CallReturnLarge(stub, kSanitized ? 16u << 20 : 100u << 20, false, false);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_TRUE(Echoes(stub, 1));
}

TEST_P(LimitsTest, HugeMessagesWhereBothAllowThem) {
  sidecall::ServerOptions large;
  large.max_receive_message_bytes = 256u << 20;
  StartServer(large);
  sidecall::ChannelOptions options;
  options.max_receive_message_bytes = 256u << 20;
  const TestService::Stub stub = NewStub(options);
  EXPECT_TRUE(EchoesPayload(stub, kSanitized ? 16u << 20 : 64u << 20, 7));
  EXPECT_TRUE(Echoes(stub, 1));
}

}  // namespace
}  // namespace conformance
