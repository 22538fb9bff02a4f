// What the machine does to a process: its wall clock jumps, its memory ends.
#include <gtest/gtest.h>

#include <future>
#include <string>

#include "call_payload.h"
#include "fault_fixture.h"
#include "fault_roles.h"
#include "transport/clock.h"

namespace fault {
namespace {

using conformance::HasCode;

constexpr long kDay = 24 * 60 * 60;

// Whatever way a test ends, the clocks are right again.
class JumpBack {
 public:
  JumpBack() = default;
  ~JumpBack() { JumpWallClock(0); }
  JumpBack(const JumpBack&) = delete;
  JumpBack& operator=(const JumpBack&) = delete;
};

// While a call waits with a deadline: it neither ends at once, a day late, nor too early.
TEST_P(FaultTest, Row57_WallClockJumps) {
  Begin();
  const JumpBack back;
  const absl::Time before = absl::Now();
  JumpWallClock(kDay);
  ASSERT_GE(absl::Now() - before, absl::Hours(23)) << "the jump is seen by absl's clock";
  JumpWallClock(0);
  const TestService::Stub stub = NewStub();
  int arrivals = 0;
  for (const long jump : {kDay, -kDay}) {
    for (const bool by_server : {false, true}) {
      if (by_server && !InTwoProcesses(GetParam())) continue;
      const auto make_jump = [&](long seconds) {
        if (by_server) {
          EXPECT_EQ(server().Ask("jump " + std::to_string(seconds)), "yes");
        } else {
          JumpWallClock(seconds);
        }
      };
      constexpr int64_t kLateNanos = 400'000'000;
      const std::string gate = "patient" + std::to_string(arrivals);
      const int64_t began = sidecall::MonotonicNanos();
      auto late =
          std::async(std::launch::async, [&] { return Sleep(stub, "never", absl::Nanoseconds(kLateNanos)); });
      auto patient = std::async(std::launch::async, [&] { return Sleep(stub, gate); });
      EXPECT_TRUE(server().AwaitArrivals("never", ++arrivals));
      EXPECT_TRUE(server().AwaitArrivals(gate, 1));
      make_jump(jump);
      EXPECT_TRUE(HasCode(late.get(), absl::StatusCode::kDeadlineExceeded));
      EXPECT_GE(sidecall::MonotonicNanos() - began, kLateNanos);
      EXPECT_TRUE(server().AwaitCancels("never", arrivals)) << "the server's deadline";
      server().OpenGate(gate);
      const absl::Status patiently = patient.get();
      EXPECT_TRUE(patiently.ok()) << patiently;
      EXPECT_TRUE(Echo(stub, 1).ok()) << "a deadline that is set after the jump";
      make_jump(0);
    }
  }
}

// A request, and a reply, for which the server has no address space left.
TEST_P(FaultTest, Row58_AllocationFails) {
  SIDECALL_FAULT_NEEDS(InTwoProcesses(GetParam()), "the limit would be the test's own");
  SIDECALL_FAULT_NEEDS(!kSanitized, "sanitizers map more address space than any limit leaves");
  sidecall::ServerOptions options;
  options.max_receive_message_bytes = 512u << 20;
  Begin(options);
  const TestService::Stub stub(sidecall::CreateChannel(address(), [] {
    sidecall::ChannelOptions channel;
    channel.max_receive_message_bytes = 512u << 20;
    return channel;
  }()));
  EXPECT_TRUE(Echo(stub, 1).ok());
  ASSERT_EQ(server().Ask("limit-memory " + std::to_string(90u << 20)), "yes");
  for (int round = 0; round < 3; round++) {
    const auto take = [&](size_t size) {
      return Call([&] {
        PatientContext context;
        EchoMessage request;
        request.mutable_payload()->resize(size, 'x');
        conformance::LargeReply reply;
        return stub.TakeLarge(&context, request, &reply);
      });
    };
    absl::Status status = take(128u << 20);
    EXPECT_TRUE(HasCode(status, absl::StatusCode::kResourceExhausted)) << "a frame that does not fit";
    EXPECT_TRUE(Echo(stub, 2).ok()) << "the connection lives";
    // The frame fits, the message parsed out of it does not.
    status = take(80u << 20);
    EXPECT_TRUE(HasCode(status, absl::StatusCode::kResourceExhausted)) << "a message that does not fit";
    EXPECT_TRUE(Echo(stub, 3).ok());
    // The handler's own.
    status = Call([&] {
      PatientContext context;
      EchoMessage reply;
      conformance::LargeRequest large;
      large.set_size(128u << 20);
      return stub.ReturnLarge(&context, large, &reply);
    });
    EXPECT_TRUE(HasCode(status, absl::StatusCode::kResourceExhausted)) << "a handler's memory";
    EXPECT_TRUE(Echo(stub, 4).ok());
  }
}

}  // namespace
}  // namespace fault
