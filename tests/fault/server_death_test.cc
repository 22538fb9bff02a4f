// Servers that are killed or stopped, wherever they are.
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <atomic>
#include <csignal>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "call_payload.h"
#include "fault_fixture.h"
#include "process_figures.h"

namespace fault {
namespace {

using conformance::HasCode;

constexpr char kOneProcess[] = "client and server are one process";

bool OutcomeUnknown(const absl::Status& status) {
  return absl::IsUnavailable(status) && !sidecall::IsNotSent(status);
}

// The client's base line is looked at as well: it lives on.
class ServerDeathRow {
 public:
  explicit ServerDeathRow(const std::string& directory) : own_(BaseLine::Take(getpid(), directory, 0)) {}
  testing::AssertionResult ClientIsBack() const { return own_.IsBack(); }

 private:
  const BaseLine own_;
};

TEST_P(FaultTest, Row03_ServerKilledBeforeItReads) {
  SIDECALL_FAULT_NEEDS(MayLeaveTheProcess(GetParam()), kOneProcess);
  Begin();
  auto stub = std::make_unique<TestService::Stub>(NewStub());
  EXPECT_TRUE(Echo(*stub, 1).ok());
  ASSERT_TRUE(Stop(server_pid()));
  // Sent, as far as the client can tell.
  const absl::Status stopped = Echo(*stub, 2, absl::Milliseconds(50));
  EXPECT_TRUE(absl::IsDeadlineExceeded(stopped)) << stopped;
  const absl::Status status = Call([&] {
    PatientContext context;
    const auto stream = stub->BidirectionalStream(&context);
    EchoMessage message;
    EXPECT_TRUE(stream->Write(message)) << "it is on its way";
    server().Kill();
    EXPECT_FALSE(stream->Read(&message));
    return stream->Finish();
  });
  EXPECT_TRUE(OutcomeUnknown(status)) << status;
  // Nobody is there any more: these were certainly not sent.
  const absl::Status late = Echo(*stub, 3);
  EXPECT_TRUE(absl::IsUnavailable(late)) << late;
  const absl::Status later = Echo(NewStub(), 4);
  EXPECT_TRUE(absl::IsUnavailable(later) && sidecall::IsNotSent(later)) << later;
  BeginAnew();
  EXPECT_TRUE(Echo(*stub, 5).ok()) << "the same channel finds the new server";
  stub.reset();
}

TEST_P(FaultTest, Row03_ServerKilledInAHandler) {
  SIDECALL_FAULT_NEEDS(MayLeaveTheProcess(GetParam()), kOneProcess);
  Begin();
  const ServerDeathRow row(directory().path());
  auto stub = std::make_unique<TestService::Stub>(NewStub());
  std::vector<std::future<absl::Status>> calls;
  for (int i = 0; i < 4; i++) {
    calls.push_back(std::async(std::launch::async, [&] { return Sleep(*stub, "never"); }));
  }
  ASSERT_TRUE(server().AwaitArrivals("never", 4));
  server().Kill();
  for (auto& call : calls) {
    const absl::Status status = call.get();
    EXPECT_TRUE(OutcomeUnknown(status)) << status;
  }
  calls.clear();
  stub.reset();
  BeginAnew();
  EXPECT_TRUE(row.ClientIsBack()) << "the client";
}

// A stream is its reply in many pieces; a large unary reply is cut wherever the kill comes.
TEST_P(FaultTest, Row03_ServerKilledMidReply) {
  SIDECALL_FAULT_NEEDS(MayLeaveTheProcess(GetParam()), kOneProcess);
  Begin();
  const ServerDeathRow row(directory().path());
  for (int round = 0; round < 5; round++) {
    auto stub = std::make_unique<TestService::Stub>(NewStub());
    std::atomic<int> replies{0};
    auto large = std::async(std::launch::async, [&] {
      for (;;) {
        const absl::Status status = Call([&] {
          PatientContext context;
          conformance::LargeRequest request;
          request.set_size(4'000'000);
          request.set_seed(7);
          EchoMessage reply;
          absl::Status ended = stub->ReturnLarge(&context, request, &reply);
          EXPECT_EQ(reply.payload().size(), ended.ok() ? 4'000'000 : 0u) << "a piece of a reply";
          return ended;
        });
        if (!status.ok()) return status;
        replies.fetch_add(1);
        replies.notify_all();
      }
    });
    const absl::Status streamed = Call([&] {
      PatientContext context;
      conformance::StreamRequest request;
      request.set_count(1'000'000);
      request.set_size(1000);
      const auto reader = stub->ServerStream(&context, request);
      EchoMessage message;
      EXPECT_TRUE(reader->Read(&message));
      replies.wait(0);
      server().Kill();
      int64_t count = 1;
      for (; reader->Read(&message); count++) EXPECT_EQ(message.number(), count);
      return reader->Finish();
    });
    EXPECT_TRUE(OutcomeUnknown(streamed)) << streamed;
    // Where the kill came between two calls, the second was not sent.
    const absl::Status cut = large.get();
    EXPECT_TRUE(absl::IsUnavailable(cut)) << cut;
    stub.reset();
    BeginAnew();
  }
  EXPECT_TRUE(row.ClientIsBack()) << "the client";
}

TEST_P(FaultTest, Row04_ServerStopped) {
  SIDECALL_FAULT_NEEDS(MayLeaveTheProcess(GetParam()), kOneProcess);
  Begin();
  const TestService::Stub stub = NewStub();
  EXPECT_TRUE(Echo(stub, 1).ok());
  ASSERT_TRUE(Stop(server_pid()));
  EXPECT_TRUE(HasCode(Echo(stub, 2, absl::Milliseconds(50)), absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(HasCode(Echo(NewStub(), 3, absl::Milliseconds(50)), absl::StatusCode::kDeadlineExceeded))
      << "one that has not met the server";
  const absl::Status streamed = Call([&] {
    sidecall::ClientContext context;
    context.set_timeout(absl::Milliseconds(50));
    const auto stream = stub.BidirectionalStream(&context);
    EchoMessage message;
    stream->Write(message);
    EXPECT_FALSE(stream->Read(&message));
    return stream->Finish();
  });
  EXPECT_TRUE(HasCode(streamed, absl::StatusCode::kDeadlineExceeded));
  kill(server_pid(), SIGCONT);
  for (int call = 10; call < 20; call++) EXPECT_TRUE(Echo(stub, call).ok());
}

// Calls that timed out, and then as many on the same indices: none has another's reply (Echo compares).
TEST_P(FaultTest, Row06_ServerContinuedAfterTheTimeout) {
  SIDECALL_FAULT_NEEDS(MayLeaveTheProcess(GetParam()), kOneProcess);
  Begin();
  const TestService::Stub stub = NewStub();
  EXPECT_TRUE(Echo(stub, 1).ok());
  for (int round = 1; round <= 3; round++) {
    ASSERT_TRUE(Stop(server_pid()));
    std::vector<std::thread> callers;
    for (int call = 0; call < 8; call++) {
      callers.emplace_back([&, call] {
        const absl::Status status = Echo(stub, 1000 * round + call, absl::Milliseconds(30));
        EXPECT_TRUE(HasCode(status, absl::StatusCode::kDeadlineExceeded));
      });
    }
    for (std::thread& caller : callers) caller.join();
    callers.clear();
    kill(server_pid(), SIGCONT);
    for (int caller = 0; caller < 4; caller++) {
      callers.emplace_back([&, caller] {
        for (int call = 0; call < 50; call++) EXPECT_TRUE(Echo(stub, 100'000 * caller + call).ok());
      });
    }
    for (std::thread& caller : callers) caller.join();
  }
}

TEST_P(FaultTest, Row10_ServersChildOutlivesIt) {
  SIDECALL_FAULT_NEEDS(MayLeaveTheProcess(GetParam()), kOneProcess);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  Begin();
  const TestService::Stub stub = NewStub();
  auto call = std::async(std::launch::async, [&] { return Sleep(stub, "never"); });
  EXPECT_TRUE(server().AwaitArrivals("never", 1));
  const std::string heir = server().Ask("fork");
  ASSERT_NE(heir, "");
  const pid_t pid = std::stoi(heir);
  server().Kill();
  const absl::Status status = call.get();
  EXPECT_TRUE(OutcomeUnknown(status)) << status;
  const absl::Status late = Echo(NewStub(), 1);
  EXPECT_TRUE(absl::IsUnavailable(late) && sidecall::IsNotSent(late)) << late;
  const auto reap = [pid] {
    EXPECT_EQ(kill(pid, SIGKILL), 0) << "it lived all the while";
    waitpid(pid, nullptr, 0);
  };
  ForgetServer();  // Whose child becomes this process's.
  // An abstract name is the kernel's to free, and it waits for the child; a path is taken over.
  if (abstract()) reap();
  BeginAnew();
  if (!abstract()) reap();
  EXPECT_TRUE(Echo(stub, 2).ok());
}

}  // namespace
}  // namespace fault
