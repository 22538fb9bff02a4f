// Servers that live and do not read.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "call_fixture.h"
#include "call_thread_state.h"

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

// A thread of which is known when it can do no more by itself.
class HaltingThread {
 public:
  explicit HaltingThread(std::function<void()> work)
      : thread_([this, work = std::move(work)] {
          id_ = gettid();
          work();
          over_ = true;
        }) {}
  ~HaltingThread() {
    if (thread_.joinable()) Join();
  }
  // Until it sleeps in the kernel, or is over.
  void AwaitHalt() const {
    while (!over_ && StateOfThread(getpid(), id_) != 'S') sched_yield();
  }
  void Join() { thread_.join(); }

 private:
  std::atomic<pid_t> id_{0};
  std::atomic<bool> over_{false};
  std::thread thread_;  // last: it uses both
};

// What finds no room leaves once there is some, though the only thread that could learn of it went to sleep
// before it was sent. How many messages fill the connection differs: so with none, with one, and on. (The
// larger rings have room for all that a stream's window allows.)
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
    // It comes with the reply, behind the half-close.
    HaltingThread waiting([&] { writer->WaitForInitialMetadata(); });
    waiting.AwaitHalt();
    HaltingThread writing([&] {
      for (int i = 0; i < messages; i++) EXPECT_TRUE(writer->Write(message));
      EXPECT_TRUE(writer->WritesDone());
    });
    // Where a message found no room, too, its thread waits for that, and both leave.
    writing.AwaitHalt();
    kill(server().pid(), SIGCONT);
    writing.Join();
    waiting.Join();
    const absl::Status status = writer->Finish();
    EXPECT_TRUE(status.ok()) << status << "\nafter " << messages << " messages";
    EXPECT_EQ(summary.messages(), messages);
  }
}

// The same with calls that leave together, of which nobody waits for the end.
TEST_P(StoppedServerTest, BurstWithoutRoomLeavesBesideAWaiter) {
  constexpr int kMostBefore = 12;
  const TestService::Stub stub = NewStub();
  for (int before = 0; before <= kMostBefore && !testing::Test::HasFailure(); before++) {
    SleepRequest request;
    request.set_gate("burst-" + std::to_string(before));
    const std::string waiters_gate = "waiter-" + std::to_string(before);
    absl::Status waited;
    HaltingThread waiting([&] { waited = CallSleep(stub, waiters_gate); });
    ASSERT_TRUE(server().AwaitArrivals(waiters_gate, 1));
    waiting.AwaitHalt();
    Stop();
    const int calls = before + 2;
    std::vector<PatientContext> contexts(static_cast<size_t>(calls));
    std::vector<EchoMessage> replies(static_cast<size_t>(calls));
    std::vector<sidecall::PendingCall> pending;
    HaltingThread calling([&] {
      sidecall::Burst burst;
      for (int i = 0; i < calls; i++) {
        const auto at = static_cast<size_t>(i);
        pending.push_back(i < before ? stub.async().Sleep(&contexts[at], request, &replies[at])
                                     : stub.async(burst).Sleep(&contexts[at], request, &replies[at]));
      }
      burst.Send();
    });
    calling.AwaitHalt();
    kill(server().pid(), SIGCONT);
    calling.Join();
    EXPECT_TRUE(server().AwaitArrivals(request.gate(), calls)) << "after " << before;
    server().OpenGate(request.gate());
    server().OpenGate(waiters_gate);
    for (sidecall::PendingCall& call : pending) EXPECT_TRUE(call.Finish().ok());
    waiting.Join();
    EXPECT_TRUE(waited.ok()) << waited;
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
