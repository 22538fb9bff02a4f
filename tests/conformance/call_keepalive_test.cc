// Servers that live and do not read.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <string>
#include <thread>

#include "call_fixture.h"

namespace conformance {
namespace {

sidecall::ChannelOptions Asking() {
  sidecall::ChannelOptions options;
  options.keepalive_time = absl::Milliseconds(500);
  options.keepalive_timeout = absl::Milliseconds(500);
  return options;
}

class StoppedServerTest : public CallTest {
 protected:
  void SetUp() override { StartServer(); }
  void TearDown() override {
    kill(server().pid(), SIGCONT);
    CallTest::TearDown();
  }
  // Returns when it has.
  void Stop() {
    kill(server().pid(), SIGSTOP);
    siginfo_t stopped;
    ASSERT_EQ(waitid(P_PID, static_cast<id_t>(server().pid()), &stopped, WSTOPPED), 0);
  }
};
SIDECALL_OVER_TRANSPORTS_WHERE(StoppedServerTest, InTwoProcesses);

TEST_P(StoppedServerTest, IsFoundByKeepalive) {
  const TestService::Stub stub = NewStub(Asking());
  ASSERT_TRUE(Echoes(stub, 1));
  Stop();
  sidecall::ClientContext without_deadline;
  EchoMessage reply;
  const absl::Status status = stub.Echo(&without_deadline, EchoMessage(), &reply);
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kUnavailable));
  EXPECT_TRUE(Says(status, "keepalive_timeout"));
  EXPECT_FALSE(sidecall::IsNotSent(status));
  kill(server().pid(), SIGCONT);
  EXPECT_TRUE(Echoes(stub, 2)) << "over a new connection";
}

// A question that a call before has left open is none of the next one's, nor is the time in which nobody
// waited.
TEST_P(StoppedServerTest, IdleTimeIsNoSilence) {
  const auto channel = NewChannel(Asking());
  const TestService::Stub stub(channel);
  ASSERT_TRUE(Echoes(stub, 1));
  Stop();
  sidecall::ClientContext late;
  late.set_timeout(absl::Milliseconds(700));
  EchoMessage reply;
  EXPECT_TRUE(HasCode(stub.Echo(&late, EchoMessage(), &reply), absl::StatusCode::kDeadlineExceeded));
  kill(server().pid(), SIGCONT);
  EXPECT_FALSE(
      channel->WaitForStateChange(sidecall::ChannelState::kReady, absl::Now() + absl::Milliseconds(700)));
  absl::Status status;
  std::thread caller([&] { status = CallSleep(stub, "gate"); });
  EXPECT_TRUE(server().AwaitArrivals("gate", 1));
  server().OpenGate("gate");
  caller.join();
  EXPECT_TRUE(status.ok()) << status;
}

// Whether that thread of this process sleeps in the kernel.
bool Sleeps(pid_t thread) {
  std::ifstream stat("/proc/self/task/" + std::to_string(thread) + "/stat");
  std::string text;
  std::getline(stat, text);
  const size_t name_ends = text.rfind(')');
  return name_ends != std::string::npos && text.compare(name_ends + 2, 1, "S") == 0;
}

// What finds no room leaves once there is some, though the only thread that could learn of it went to sleep
// before it was sent. How many messages fill the connection differs: so with none, with one, and on.
TEST_P(StoppedServerTest, HalfCloseWithoutRoomLeavesBesideAWaiter) {
  constexpr int kMostMessages = 60;
  const TestService::Stub stub = NewStub();
  EchoMessage message;
  message.set_payload(std::string(4096, 'x'));
  for (int messages = 0; messages <= kMostMessages && !testing::Test::HasFailure(); messages++) {
    PatientContext context;
    StreamSummary summary;
    const auto writer = stub.ClientStream(&context, &summary);
    Stop();
    std::atomic<pid_t> waiting_thread{0};
    std::thread waiter([&] {
      waiting_thread = gettid();
      writer->WaitForInitialMetadata();  // comes with the reply, behind the half-close
    });
    while (waiting_thread == 0 || !Sleeps(waiting_thread)) sched_yield();
    std::atomic<bool> half_closed{false};
    std::atomic<pid_t> writing_thread{0};
    std::thread writing([&] {
      writing_thread = gettid();
      for (int i = 0; i < messages; i++) EXPECT_TRUE(writer->Write(message));
      EXPECT_TRUE(writer->WritesDone());
      half_closed = true;
    });
    // Where a message found no room, too, its thread waits for that, and both leave.
    while (!half_closed && (writing_thread == 0 || !Sleeps(writing_thread))) sched_yield();
    kill(server().pid(), SIGCONT);
    writing.join();
    waiter.join();
    const absl::Status status = writer->Finish();
    EXPECT_TRUE(status.ok()) << status << "\nafter " << messages << " messages";
    EXPECT_EQ(summary.messages(), messages);
  }
}

class SlowServerTest : public CallTest {
 protected:
  void SetUp() override { StartServer(); }
};
// Each takes seconds, and how the question travels is no matter of the process.
bool NamesAFileOfThisProcess(const Setup& setup) {
  return NamesAFile(setup) && InOneProcess(setup);
}
SIDECALL_OVER_TRANSPORTS_WHERE(SlowServerTest, NamesAFileOfThisProcess);

// It answers while all that it has is a handler that takes longer than the client's patience.
TEST_P(SlowServerTest, IsNotGivenUp) {
  const auto channel = NewChannel(Asking());
  const TestService::Stub stub(channel);
  absl::Status status;
  std::thread caller([&] { status = CallSleep(stub, "gate"); });
  EXPECT_TRUE(server().AwaitArrivals("gate", 1));
  // Long enough for two questions, each of which would end the call where it went without an answer.
  EXPECT_FALSE(
      channel->WaitForStateChange(sidecall::ChannelState::kReady, absl::Now() + absl::Milliseconds(2200)));
  server().OpenGate("gate");
  caller.join();
  EXPECT_TRUE(status.ok()) << status;
}

}  // namespace
}  // namespace conformance
