// Unary calls that one thread has many of in flight: sidecall::PendingCall.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "call_fixture.h"
#include "call_payload.h"

namespace conformance {
namespace {

// A call under way, with what must outlive it.
struct EchoCall {
  EchoCall(const TestService::Stub& stub, int64_t number, size_t size = 0) : number(number) {
    EchoMessage request;
    request.set_number(number);
    *request.mutable_payload() = RandomPayload(size, static_cast<uint64_t>(number));
    pending.emplace(stub.async().Echo(&context, request, &reply));
  }
  testing::AssertionResult Finishes(size_t size = 0) {
    const absl::Status status = pending->Finish();
    if (!status.ok()) return testing::AssertionFailure() << "call " << number << ": " << status;
    if (reply.number() != number || reply.payload() != RandomPayload(size, static_cast<uint64_t>(number))) {
      return testing::AssertionFailure() << "call " << number << " has the reply of " << reply.number();
    }
    return testing::AssertionSuccess();
  }

  const int64_t number;
  PatientContext context;
  EchoMessage reply;
  std::optional<sidecall::PendingCall> pending;
};

struct SleepCall {
  // The handler is to see a cancel long before the deadline.
  SleepCall(const TestService::Stub& stub, const std::string& gate,
            absl::Duration timeout = 3 * absl::FromChrono(kPatience)) {
    context.set_timeout(timeout);
    SleepRequest request;
    request.set_gate(gate);
    pending.emplace(stub.async().Sleep(&context, request, &reply));
  }
  absl::Status Finish() { return pending->Finish(); }

  sidecall::ClientContext context;
  EchoMessage reply;
  std::optional<sidecall::PendingCall> pending;
};

using EchoCalls = std::vector<std::unique_ptr<EchoCall>>;
using SleepCalls = std::vector<std::unique_ptr<SleepCall>>;

EchoCalls StartEchoes(const TestService::Stub& stub, int count, size_t size = 0) {
  EchoCalls calls;
  for (int i = 0; i < count; i++) calls.push_back(std::make_unique<EchoCall>(stub, i, size));
  return calls;
}

SleepCalls StartSleeps(const TestService::Stub& stub, int count, const std::string& gate) {
  SleepCalls calls;
  for (int i = 0; i < count; i++) calls.push_back(std::make_unique<SleepCall>(stub, gate));
  return calls;
}

class PendingTest : public CallTest {
 protected:
  void SetUp() override { StartServer(); }
  // Has the server answer all calls, and leave.
  void LetServerLeave() {
    server().BeginShutdown(absl::InfiniteDuration());
    EXPECT_TRUE(server().AwaitShutdown());
  }
};
SIDECALL_OVER_ALL_TRANSPORTS(PendingTest);

class PendingDeathTest : public PendingTest {};
SIDECALL_OVER_TRANSPORTS_WHERE(PendingDeathTest, InTwoProcesses);

class PendingLimitTest : public CallTest {};
SIDECALL_OVER_ALL_TRANSPORTS(PendingLimitTest);

TEST_P(PendingTest, FinishInAnyOrder) {
  const TestService::Stub stub = NewStub();
  std::mt19937 random(7);
  for (int round = 0; round < Scaled(30); round++) {
    EchoCalls calls = StartEchoes(stub, 64, 100);
    if (round % 3 == 1) std::reverse(calls.begin(), calls.end());
    if (round % 3 == 2) std::shuffle(calls.begin(), calls.end(), random);
    for (const auto& call : calls) EXPECT_TRUE(call->Finishes(100));
  }
}

// A window of calls: the oldest is finished, another begun.
TEST_P(PendingTest, Window) {
  const TestService::Stub stub = NewStub();
  EchoCalls window = StartEchoes(stub, 64);
  for (int number = 64; number < 64 + Scaled(5000); number++) {
    auto& oldest = window[static_cast<size_t>(number) % window.size()];
    ASSERT_TRUE(oldest->Finishes());
    oldest = std::make_unique<EchoCall>(stub, number);
  }
  for (const auto& call : window) EXPECT_TRUE(call->Finishes());
}

// More than rings and socket buffers hold, each way, before anybody is in Finish.
TEST_P(PendingTest, MoreBytesThanFit) {
  constexpr size_t kSize = 200'000;
  const TestService::Stub stub = NewStub();
  EchoCalls calls = StartEchoes(stub, 64, kSize);
  for (const auto& call : calls) EXPECT_TRUE(call->Finishes(kSize));
}

// Calls whose replies are there: one Finish takes in all, and the others need no server.
TEST_P(PendingTest, RepliesOutliveTheServer) {
  const TestService::Stub stub = NewStub();
  SleepCalls calls = StartSleeps(stub, 8, "together");
  ASSERT_TRUE(server().AwaitArrivals("together", 8));
  server().OpenGate("together");
  LetServerLeave();
  StopServer();
  for (const auto& call : calls) EXPECT_TRUE(call->Finish().ok());
}

TEST_P(PendingTest, HandlersRunBeforeFinish) {
  const TestService::Stub stub = NewStub();
  SleepCalls calls = StartSleeps(stub, 3, "begun");
  EXPECT_TRUE(server().AwaitArrivals("begun", 3)) << "nobody is in Finish";
  EXPECT_TRUE(Echoes(stub, 1)) << "a call in between, of the same thread";
  server().OpenGate("begun");
  for (const auto& call : calls) EXPECT_TRUE(call->Finish().ok());
}

TEST_P(PendingTest, StatusAndMetadata) {
  const TestService::Stub stub = NewStub();
  PatientContext contexts[2];
  FailRequest request;
  request.set_code(static_cast<int>(absl::StatusCode::kAborted));
  request.set_message("as wished");
  EchoMessage reply;
  contexts[0].AddMetadata("key", "value");
  sidecall::PendingCall failed = stub.async().Fail(&contexts[0], request, &reply);
  request.set_code(0);
  MetadataReply metadata;
  contexts[1].AddMetadata("initial-key", "value");
  sidecall::PendingCall well = stub.async().EchoMetadata(&contexts[1], request, &metadata);
  EXPECT_TRUE(well.Finish().ok());
  EXPECT_EQ(contexts[1].server_initial_metadata().Find("initial-key"), "value");
  const absl::Status status = failed.Finish();
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kAborted));
  EXPECT_TRUE(Says(status, "as wished"));
  EXPECT_EQ(contexts[0].server_trailing_metadata().Find("key"), "value");
  EXPECT_EQ(reply.payload(), "");
}

TEST_P(PendingTest, FinishComesOnce) {
  const TestService::Stub stub = NewStub();
  EchoCall call(stub, 1);
  EXPECT_TRUE(call.Finishes());
  EXPECT_TRUE(HasCode(call.pending->Finish(), absl::StatusCode::kFailedPrecondition));
  EchoCall moved(stub, 2);
  sidecall::PendingCall to = *std::move(moved.pending);
  EXPECT_TRUE(to.Finish().ok());
  EXPECT_TRUE(HasCode(moved.pending->Finish(), absl::StatusCode::kFailedPrecondition));
}

TEST_P(PendingTest, Deadline) {
  const TestService::Stub stub = NewStub();
  SleepCall late(stub, "never-opened", absl::Milliseconds(50));
  EchoCall other(stub, 1);
  const absl::Status status = late.Finish();
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kDeadlineExceeded));
  EXPECT_FALSE(sidecall::IsNotSent(status));
  EXPECT_TRUE(server().AwaitArrivals("never-opened", 1));
  EXPECT_TRUE(server().AwaitCancels("never-opened", 1));
  EXPECT_TRUE(other.Finishes());
  SleepCall passed(stub, "never-opened", absl::ZeroDuration());
  const absl::Status not_sent = passed.Finish();
  EXPECT_TRUE(HasCode(not_sent, absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(sidecall::IsNotSent(not_sent));
}

// Its reply came in time; that its caller comes late is no fault of the server's.
TEST_P(PendingTest, FinishedAfterTheDeadline) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
  SleepCall call(NewStub(), "in-time", absl::Milliseconds(300));
  ASSERT_TRUE(server().AwaitArrivals("in-time", 1));
  server().OpenGate("in-time");
  LetServerLeave();
  if (std::chrono::steady_clock::now() > deadline) GTEST_SKIP() << "the machine took this long for a call";
  std::this_thread::sleep_until(deadline + std::chrono::milliseconds(10));  // Time is what this is about.
  const absl::Status status = call.Finish();
  EXPECT_TRUE(status.ok()) << status;
}

// Calls of a burst leave when it ends, if not before.
TEST_P(PendingTest, Burst) {
  const TestService::Stub stub = NewStub();
  std::vector<PatientContext> contexts(2 * 8);
  std::vector<EchoMessage> replies(contexts.size());
  std::vector<sidecall::PendingCall> calls;
  SleepRequest request;
  request.set_gate("burst");
  const auto start = [&](sidecall::Burst& burst) {
    const size_t i = calls.size();
    calls.push_back(stub.async(burst).Sleep(&contexts[i], request, &replies[i]));
  };
  {
    sidecall::Burst burst;
    for (int i = 0; i < 8; i++) start(burst);
  }
  EXPECT_TRUE(server().AwaitArrivals("burst", 8));
  sidecall::Burst burst;
  for (int i = 0; i < 8; i++) start(burst);
  burst.Send();
  EXPECT_TRUE(server().AwaitArrivals("burst", 16));
  server().OpenGate("burst");
  for (sidecall::PendingCall& call : calls) EXPECT_TRUE(call.Finish().ok());
}

// Whoever waits sends first what waits, and so does a call that belongs to no burst.
TEST_P(PendingTest, BurstUnderWay) {
  const TestService::Stub stub = NewStub();
  const TestService::Stub other = NewStub();
  PatientContext contexts[5];
  EchoMessage replies[5];
  sidecall::Burst burst;
  SleepRequest request;
  request.set_gate("begun");
  sidecall::PendingCall first = stub.async(burst).Sleep(&contexts[0], request, &replies[0]);
  EXPECT_TRUE(Echoes(stub, 1));
  EXPECT_TRUE(server().AwaitArrivals("begun", 1));
  sidecall::PendingCall second = stub.async(burst).Sleep(&contexts[1], request, &replies[1]);
  sidecall::PendingCall elsewhere = other.async(burst).Sleep(&contexts[2], request, &replies[2]);
  EXPECT_TRUE(server().AwaitArrivals("begun", 2)) << "the burst has gone over to another channel";
  server().OpenGate("begun");
  EXPECT_TRUE(elsewhere.Finish().ok());
  sidecall::PendingCall last = other.async(burst).Echo(&contexts[3], EchoMessage(), &replies[3]);
  EXPECT_TRUE(last.Finish().ok());
  EXPECT_TRUE(first.Finish().ok());
  EXPECT_TRUE(second.Finish().ok());
  { const auto dropped = stub.async(burst).Echo(&contexts[4], EchoMessage(), &replies[4]); }
  EXPECT_TRUE(Echoes(stub, 2));
}

// A thread that is asleep as the reader sends what others have put off, and then wait for.
TEST_P(PendingTest, BurstBesideAReader) {
  const TestService::Stub stub = NewStub();
  std::thread sleeper([&] { EXPECT_TRUE(CallSleep(stub, "reader").ok()); });
  EXPECT_TRUE(server().AwaitArrivals("reader", 1));
  for (int i = 0; i < Scaled(200); i++) {
    sidecall::Burst burst;
    PatientContext context;
    EchoMessage reply;
    EXPECT_TRUE(stub.async(burst).Echo(&context, EchoMessage(), &reply).Finish().ok());
  }
  server().OpenGate("reader");
  sleeper.join();
}

TEST_P(PendingTest, LargeBursts) {
  const TestService::Stub stub = NewStub();
  for (const size_t size : {500, 5'000, 200'000}) {
    std::vector<PatientContext> contexts(32);
    std::vector<EchoMessage> replies(contexts.size());
    std::vector<sidecall::PendingCall> calls;
    EchoMessage request;
    *request.mutable_payload() = RandomPayload(size, 1);
    {
      sidecall::Burst burst;
      for (size_t i = 0; i < contexts.size(); i++) {
        calls.push_back(stub.async(burst).Echo(&contexts[i], request, &replies[i]));
      }
    }
    for (sidecall::PendingCall& call : calls) EXPECT_TRUE(call.Finish().ok());
    for (const EchoMessage& reply : replies) EXPECT_TRUE(reply.payload() == request.payload());
  }
}

// The server knows of a cancel at once: nobody is in Finish.
TEST_P(PendingTest, Cancel) {
  const TestService::Stub stub = NewStub();
  SleepCall call(stub, "never-opened");
  EchoCall other(stub, 1);
  ASSERT_TRUE(server().AwaitArrivals("never-opened", 1));
  call.context.TryCancel();
  EXPECT_TRUE(server().AwaitCancels("never-opened", 1));
  EXPECT_TRUE(HasCode(call.Finish(), absl::StatusCode::kCancelled));
  EXPECT_TRUE(other.Finishes());
}

// What its handler says then counts for nothing.
TEST_P(PendingTest, CancelOfAHandlerThatSaysOk) {
  const TestService::Stub stub = NewStub();
  PatientContext context;
  context.AddMetadata("ok-all-the-same", "");
  SleepRequest request;
  request.set_gate("never-opened");
  EchoMessage reply;
  sidecall::PendingCall call = stub.async().Sleep(&context, request, &reply);
  ASSERT_TRUE(server().AwaitArrivals("never-opened", 1));
  context.TryCancel();
  EXPECT_TRUE(server().AwaitCancels("never-opened", 1));
  EXPECT_TRUE(Echoes(stub, 1)) << "the late answer is read before Finish";
  EXPECT_TRUE(HasCode(call.Finish(), absl::StatusCode::kCancelled));
}

TEST_P(PendingTest, CancelWhileInFinish) {
  const TestService::Stub stub = NewStub();
  SleepCall call(stub, "never-opened");
  std::thread canceller([&] {
    EXPECT_TRUE(server().AwaitArrivals("never-opened", 1));
    call.context.TryCancel();
  });
  EXPECT_TRUE(HasCode(call.Finish(), absl::StatusCode::kCancelled));
  canceller.join();
  EXPECT_TRUE(server().AwaitCancels("never-opened", 1));
  PatientContext context;
  context.TryCancel();
  EchoMessage reply;
  const absl::Status status = stub.async().Echo(&context, EchoMessage(), &reply).Finish();
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kCancelled));
  EXPECT_TRUE(sidecall::IsNotSent(status));
}

TEST_P(PendingTest, DestroyedBeforeFinish) {
  const TestService::Stub stub = NewStub();
  EchoCall other(stub, 1);
  {
    EchoCall replacing(stub, 2);
    SleepCall destroyed(stub, "never-opened");
    SleepCall replaced(stub, "never-opened");
    ASSERT_TRUE(server().AwaitArrivals("never-opened", 2));
    replaced.pending = *std::move(replacing.pending);
  }
  EXPECT_TRUE(server().AwaitCancels("never-opened", 2));
  EXPECT_TRUE(other.Finishes());
  EXPECT_TRUE(Echoes(stub, 3));
}

// The call's end does not depend on the channel's other owners.
TEST_P(PendingTest, OutlivesStubAndChannel) {
  auto stub = std::make_unique<TestService::Stub>(NewChannel());
  EchoCall call(*stub, 1);
  stub.reset();
  EXPECT_TRUE(call.Finishes());
}

TEST_P(PendingTest, FinishedByOtherThreads) {
  const TestService::Stub stub = NewStub();
  for (int round = 0; round < Scaled(20); round++) {
    EchoCalls calls = StartEchoes(stub, 64);
    std::vector<std::thread> threads;
    for (size_t thread = 0; thread < 4; thread++) {
      threads.emplace_back([&calls, thread] {
        for (size_t i = thread; i < calls.size(); i += 4) EXPECT_TRUE(calls[i]->Finishes());
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
}

// Who waits for one call reads for all, and hands the role on when it leaves.
TEST_P(PendingTest, BesideSynchronousCallers) {
  const TestService::Stub stub = NewStub();
  SleepCall first(stub, "first");
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 3; thread++) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < Scaled(300); i++) {
        if (thread == 0) {
          EXPECT_TRUE(Echoes(stub, i));
        } else {
          for (const auto& call : StartEchoes(stub, 8)) EXPECT_TRUE(call->Finishes());
        }
      }
    });
  }
  std::thread opener([&] {
    for (std::thread& thread : threads) thread.join();
    server().OpenGate("first");
  });
  EXPECT_TRUE(first.Finish().ok());
  opener.join();
}

TEST_P(PendingDeathTest, ServerIsKilled) {
  ExpectRemains();
  const TestService::Stub stub = NewStub();
  SleepCalls calls = StartSleeps(stub, 8, "never-opened");
  ASSERT_TRUE(server().AwaitArrivals("never-opened", 8));
  server().Kill();
  for (const auto& call : calls) {
    const absl::Status status = call->Finish();
    EXPECT_TRUE(HasCode(status, absl::StatusCode::kUnavailable));
    EXPECT_FALSE(sidecall::IsNotSent(status)) << "it had reached a handler: " << status;
  }
}

// A synchronous call would go to the next server by itself; of these the request is gone.
TEST_P(PendingTest, RefusedByAServerThatLeaves) {
  const TestService::Stub stub = NewStub();
  SleepCall seen(stub, "seen");
  ASSERT_TRUE(server().AwaitArrivals("seen", 1));
  server().BeginShutdown(absl::InfiniteDuration());
  const auto limit = std::chrono::steady_clock::now() + kPatience;
  absl::Status refused;
  while (refused.ok() && std::chrono::steady_clock::now() < limit)
    refused = EchoCall(stub, 1).pending->Finish();
  EXPECT_TRUE(HasCode(refused, absl::StatusCode::kUnavailable));
  EXPECT_TRUE(sidecall::IsNotSent(refused)) << refused;
  server().OpenGate("seen");
  EXPECT_TRUE(seen.Finish().ok());
  EXPECT_TRUE(server().AwaitShutdown());
}

TEST_P(PendingLimitTest, MoreThanTheServerTakes) {
  sidecall::ServerOptions few;
  few.max_calls_per_connection = 3;
  StartServer(few);
  const TestService::Stub stub = NewStub();
  SleepCalls calls = StartSleeps(stub, 3, "three");
  EchoCall fourth(stub, 4);
  const absl::Status status = fourth.pending->Finish();
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kResourceExhausted));
  EXPECT_TRUE(Says(status, "3 calls"));
  EXPECT_TRUE(sidecall::IsNotSent(status));
  server().OpenGate("three");
  EXPECT_TRUE(calls[1]->Finish().ok());
  EchoCall fifth(stub, 5);
  // The others' replies come soon; while nobody takes them, they are what keeps a sixth out.
  absl::Status sixth;
  const auto limit = std::chrono::steady_clock::now() + kPatience;
  do {
    sixth = EchoCall(stub, 6).pending->Finish();
    EXPECT_TRUE(HasCode(sixth, absl::StatusCode::kResourceExhausted));
  } while (!Says(sixth, "Finish those that have ended") && std::chrono::steady_clock::now() < limit);
  EXPECT_TRUE(Says(sixth, "Finish those that have ended"));
  EXPECT_TRUE(fifth.Finishes());
  EXPECT_TRUE(calls[0]->Finish().ok());
  EXPECT_TRUE(calls[2]->Finish().ok());
}

// Indices of calls that were destroyed come free again.
TEST_P(PendingLimitTest, DestroyedManyTimes) {
  sidecall::ServerOptions few;
  few.max_calls_per_connection = 100;
  StartServer(few);
  const TestService::Stub stub = NewStub();
  for (int i = 0; i < Scaled(10'000); i++) {
    const EchoCall destroyed(stub, i);
    if (i % 50 != 0) continue;
    // At most so many wait for their answers now, and a call's own comes behind theirs.
    EXPECT_TRUE(EchoCall(stub, i).Finishes());
  }
  // All but what a handler is at, at most.
  const auto limit = std::chrono::steady_clock::now() + kPatience;
  while (!Echoes(stub, 1)) ASSERT_LT(std::chrono::steady_clock::now(), limit);
  SleepCalls calls = StartSleeps(stub, 90, "all");
  EXPECT_TRUE(server().AwaitArrivals("all", 90));
  server().OpenGate("all");
  for (const auto& call : calls) EXPECT_TRUE(call->Finish().ok());
}

TEST(PendingCallTest, BadTarget) {
  const TestService::Stub stub(sidecall::CreateChannel("no such scheme:/"));
  EchoCall call(stub, 1);
  EXPECT_TRUE(sidecall::IsNotSent(call.pending->Finish()));
  const EchoCall destroyed(stub, 2);
}

}  // namespace
}  // namespace conformance
