// The priority of a call: who learns of it, and what it, and a cancel, overtakes.
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#include <memory>
#include <string>
#include <thread>

#include "call_fixture.h"
#include "call_statistics.h"

namespace conformance {
namespace {

using sidecall::CallPriority;

class PriorityTest : public CallTest {
 protected:
  void SetUp() override { StartServer(); }
};
SIDECALL_OVER_ALL_TRANSPORTS(PriorityTest);

TEST_P(PriorityTest, ReachesTheHandlerAndItsCalls) {
  const TestService::Stub stub = NewStub();
  for (const CallPriority priority : {CallPriority::kNormal, CallPriority::kUrgent, CallPriority::kNormal}) {
    PatientContext context;
    context.set_priority(priority);
    TraceRequest request;
    request.set_depth(1);
    TraceReply reply;
    const absl::Status status = stub.Trace(&context, request, &reply);
    ASSERT_TRUE(status.ok()) << status;
    ASSERT_EQ(reply.hops_size(), 2);
    for (const TraceReply::Hop& hop : reply.hops())
      EXPECT_EQ(hop.urgent(), priority == CallPriority::kUrgent);
  }
}

TEST_P(PriorityTest, LargeMessagesArriveWhole) {
  const TestService::Stub stub = NewStub();
  for (const CallPriority priority : {CallPriority::kUrgent, CallPriority::kNormal}) {
    PatientContext context;
    context.set_priority(priority);
    EchoMessage request;
    request.set_payload(std::string(3u << 20, 'x'));
    EchoMessage reply;
    const absl::Status status = stub.Echo(&context, request, &reply);
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(reply.payload(), request.payload());
  }
}

TEST_P(PriorityTest, StreamsKeepTheirOrder) {
  const TestService::Stub stub = NewStub();
  PatientContext normal_context;
  auto normal = stub.BidirectionalStream(&normal_context);
  PatientContext urgent_context;
  urgent_context.set_priority(CallPriority::kUrgent);
  auto urgent = stub.BidirectionalStream(&urgent_context);
  constexpr int kMessages = 200;
  for (int i = 0; i < kMessages; i++) {
    EchoMessage message;
    message.set_number(i);
    message.set_payload(std::string(static_cast<size_t>(i) * 50, 'x'));
    ASSERT_TRUE(normal->Write(message));
    ASSERT_TRUE(urgent->Write(message));
    if (i % 2 == 0) continue;
    // Two of each are on their way, together with those of the other.
    for (const int number : {i - 1, i}) {
      for (const auto& stream : {normal.get(), urgent.get()}) {
        EchoMessage back;
        ASSERT_TRUE(stream->Read(&back));
        EXPECT_EQ(back.number(), number);
      }
    }
  }
  for (const auto& stream : {normal.get(), urgent.get()}) {
    EXPECT_TRUE(stream->WritesDone());
    const absl::Status status = stream->Finish();
    EXPECT_TRUE(status.ok()) << status;
  }
}

// Over a transport that lets the kernel sort what waits there.
class OvertakingTest : public CallTest {
 protected:
  void SetUp() override {
    StartServer();
    channel_ = NewChannel();
    ASSERT_TRUE(Echoes(stub(), 1));
  }
  void TearDown() override {
    kill(server().pid(), SIGCONT);
    CallTest::TearDown();
  }
  TestService::Stub stub() const { return TestService::Stub(channel_); }
  void Stop() {
    kill(server().pid(), SIGSTOP);
    siginfo_t stopped;
    ASSERT_EQ(waitid(P_PID, static_cast<id_t>(server().pid()), &stopped, WSTOPPED), 0);
  }
  // What the server has counted of TakeLarge: as a method's call, and of those that it ended before they were
  // one's.
  StatisticsReply ServersCounts() const {
    PatientContext context;
    StatisticsRequest request;
    request.set_method(kTakeLarge);
    StatisticsReply reply;
    const absl::Status status = stub().Statistics(&context, request, &reply);
    EXPECT_TRUE(status.ok()) << status;
    return reply;
  }
  // TakeLarge of a mebibyte, cancelled as soon as it is under way: the server is stopped, so that it lies in
  // the queue and before it.
  absl::Status CallAndCancel() const {
    const int64_t before = StatisticsOf(sidecall::CallSide::kClient, kTakeLarge).started();
    sidecall::ClientContext context;
    absl::Status status;
    std::thread caller([&] {
      EchoMessage request;
      request.set_payload(std::string(1u << 20, 'x'));
      LargeReply reply;
      status = stub().TakeLarge(&context, request, &reply);
    });
    while (StatisticsOf(sidecall::CallSide::kClient, kTakeLarge).started() == before) sched_yield();
    context.TryCancel();
    caller.join();
    return status;
  }
  static constexpr char kTakeLarge[] = "conformance.TestService/TakeLarge";

 private:
  std::shared_ptr<sidecall::Channel> channel_;
};
SIDECALL_OVER_TRANSPORTS_WHERE(OvertakingTest, OvertakesInTheKernel);

TEST_P(OvertakingTest, ACancelOvertakesTheRequest) {
  constexpr auto kCancelled = static_cast<int>(absl::StatusCode::kCancelled);
  const StatisticsReply before = ServersCounts();
  bool refused = false;
  // One that was cancelled before anything of it was sent says nothing.
  for (int attempt = 0; attempt < 100 && !refused; attempt++) {
    Stop();
    EXPECT_TRUE(HasCode(CallAndCancel(), absl::StatusCode::kCancelled));
    kill(server().pid(), SIGCONT);
    const StatisticsReply after = ServersCounts();
    ASSERT_EQ(after.started(), before.started())
        << "a cancel, sent behind a mebibyte, came after the whole of it";
    refused = after.refused(kCancelled) > before.refused(kCancelled);
  }
  EXPECT_TRUE(refused) << "no cancelled call came to the server";
}

}  // namespace
}  // namespace conformance
