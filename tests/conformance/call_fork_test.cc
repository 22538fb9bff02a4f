// A child of fork() finds its parent's channels and servers unusable, and harms neither.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "call_fixture.h"
#include "call_local_server.h"
#include "call_thread_state.h"
#include "sidecall/log.h"

namespace conformance {
namespace {

class ForkTest : public CallTest {
 protected:
  // Runs `work` in a forked child, and says what it says: "" where all was well.
  static std::string InChild(const std::function<std::string()>& work) {
    int ends[2];
    if (pipe(ends) != 0) return "no pipe";
    const pid_t pid = fork();
    if (pid == 0) {
      alarm(static_cast<unsigned>(kPatience.count()));
      // The harness's has a mutex, which a thread of the parent may have held.
      sidecall::SetLogSink(nullptr);
      const std::string said = work();
      (void)!write(ends[1], said.data(), said.size());
      _exit(0);
    }
    close(ends[1]);
    std::string said;
    char bytes[512];
    for (ssize_t size = 0; (size = read(ends[0], bytes, sizeof bytes)) > 0;) said.append(bytes, bytes + size);
    close(ends[0]);
    int status = 0;
    waitpid(pid, &status, 0);
    return status == 0
               ? said
               : "the child ended with wait status " + std::to_string(status) + ", having said " + said;
  }
  static std::string Refused(const TestService::Stub& stub) {
    PatientContext context;
    EchoMessage reply;
    const absl::Status status = stub.Echo(&context, EchoMessage(), &reply);
    return absl::IsFailedPrecondition(status) && sidecall::IsNotSent(status) ? "" : status.ToString();
  }
};
SIDECALL_OVER_ALL_TRANSPORTS(ForkTest);

TEST_P(ForkTest, ChannelIsTheParents) {
  StartServer();
  const TestService::Stub used = NewStub();
  EXPECT_TRUE(Echoes(used, 1));
  const TestService::Stub unused = NewStub();
  EXPECT_EQ(InChild([&] { return Refused(used) + Refused(unused); }), "");
  for (int call = 0; call < 10; call++) EXPECT_TRUE(Echoes(used, call)) << "the parent is unharmed";
  EXPECT_TRUE(Echoes(unused, 1));
}

// The parent's mapping is a hole in the child, which may have put memory of its own there.
TEST_P(ForkTest, DestroyedInTheChild) {
  StartServer();
  auto channel = NewChannel();
  EXPECT_TRUE(Echoes(TestService::Stub(channel), 1));
  const auto work = [&]() -> std::string {
    std::vector<std::unique_ptr<char[]>> blocks;
    for (size_t size = 128u << 10; size <= 4u << 20; size *= 2) {
      for (int block = 0; block < 4; block++) blocks.push_back(std::make_unique<char[]>(size));
    }
    channel.reset();
    for (const auto& block : blocks) block[0] = 1;
    return "";
  };
  EXPECT_EQ(InChild(work), "");
  EXPECT_TRUE(Echoes(TestService::Stub(channel), 2)) << "the parent is unharmed";
}

TEST_P(ForkTest, PendingCallIsTheParents) {
  StartServer();
  const TestService::Stub stub = NewStub();
  PatientContext contexts[2];
  SleepRequest request;
  request.set_gate("opened");
  EchoMessage replies[2];
  sidecall::PendingCall finished = stub.async().Sleep(&contexts[0], request, &replies[0]);
  std::optional<sidecall::PendingCall> destroyed = stub.async().Sleep(&contexts[1], request, &replies[1]);
  ASSERT_TRUE(server().AwaitArrivals("opened", 2));
  const auto work = [&]() -> std::string {
    destroyed.reset();
    const absl::Status status = finished.Finish();
    return absl::IsFailedPrecondition(status) ? "" : status.ToString();
  };
  EXPECT_EQ(InChild(work), "");
  server().OpenGate("opened");
  EXPECT_TRUE(finished.Finish().ok());
  EXPECT_TRUE(destroyed->Finish().ok());
}

TEST_P(ForkTest, StreamAndStatesAreTheParents) {
  StartServer();
  const auto channel = NewChannel();
  const TestService::Stub stub(channel);
  PatientContext context;
  auto stream = stub.BidirectionalStream(&context);
  EchoMessage message;
  ASSERT_TRUE(stream->Write(message) && stream->Read(&message));
  message.set_number(7);
  ASSERT_TRUE(stream->Write(message));  // What comes back is not to be read by the child.
  const auto work = [&]() -> std::string {
    if (channel->GetState(true) != sidecall::ChannelState::kShutdown) return "a state of its own";
    if (channel->WaitForConnected(absl::InfiniteFuture())) return "connected";
    EchoMessage taken;
    if (stream->Write(taken) || stream->Read(&taken)) return "a stream of its own";
    context.TryCancel();
    const absl::Status status = stream->Finish();
    stream.reset();
    return absl::IsFailedPrecondition(status) ? "" : status.ToString();
  };
  EXPECT_EQ(InChild(work), "");
  ASSERT_TRUE(stream->Read(&message));
  EXPECT_EQ(message.number(), 7);
  EXPECT_TRUE(stream->WritesDone());
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_P(ForkTest, WhileAThreadReads) {
  StartServer();
  const TestService::Stub stub = NewStub();
  PatientContext context;
  auto stream = stub.BidirectionalStream(&context);
  std::atomic<pid_t> reader_id{0};
  std::thread reader([&] {
    reader_id.store(gettid());
    EchoMessage message;
    EXPECT_TRUE(stream->Read(&message));
  });
  AwaitSleepOf(reader_id);
  const auto work = [&]() -> std::string {
    const absl::Status status = stream->Finish();
    stream.reset();
    return absl::IsFailedPrecondition(status) ? "" : status.ToString();
  };
  EXPECT_EQ(InChild(work), "");
  EXPECT_TRUE(stream->Write(EchoMessage()));
  reader.join();
  EXPECT_TRUE(stream->WritesDone());
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_P(ForkTest, WhileTheChannelConnectsInTheBackground) {
  auto channel = NewChannel();  // There is no server.
  EXPECT_EQ(channel->GetState(true), sidecall::ChannelState::kIdle);
  const auto work = [&]() -> std::string {
    const bool parents = channel->GetState(true) == sidecall::ChannelState::kShutdown;
    channel.reset();
    return parents ? "" : "a state of its own";
  };
  EXPECT_EQ(InChild(work), "");
  StartServer();
  // The attempt in the background may have found no server just before: a call that comes meanwhile shares
  // its end.
  PatientContext context;
  context.set_wait_for_ready(true);
  EchoMessage reply;
  const absl::Status status = TestService::Stub(channel).Echo(&context, EchoMessage(), &reply);
  EXPECT_TRUE(status.ok()) << status;
}

TEST_P(ForkTest, WhileCallsAreInFlight) {
  StartServer();
  const TestService::Stub stub = NewStub();
  std::thread sleeper([&] { EXPECT_TRUE(CallSleep(stub, "forked").ok()); });
  EXPECT_TRUE(server().AwaitArrivals("forked", 1));
  EXPECT_EQ(InChild([&] { return Refused(stub); }), "");
  server().OpenGate("forked");
  sleeper.join();
  EXPECT_TRUE(Echoes(stub, 1));
}

class ForkedChannelTest : public ForkTest {};
SIDECALL_OVER_TRANSPORTS_WHERE(ForkedChannelTest, [](const Setup& setup) {
  return MayLeaveTheProcess(setup) && SharesAServer(setup);
});

TEST_P(ForkedChannelTest, NewChannelInTheChild) {
  StartServer();
  EXPECT_TRUE(Echoes(NewStub(), 1));
  const auto work = [&]() -> std::string {
    const TestService::Stub stub = NewStub();
    const auto echoed = Echoes(stub, 2);
    return echoed ? "" : echoed.message();
  };
  EXPECT_EQ(InChild(work), "");
  EXPECT_TRUE(Echoes(NewStub(), 3));
}

class ForkedServerTest : public ForkTest {};
SIDECALL_OVER_TRANSPORTS_WHERE(ForkedServerTest, SharesAServer);

TEST_P(ForkedServerTest, ServerIsTheParents) {
  auto server = LocalServer::Start({address()}, {});
  ASSERT_TRUE(server.ok()) << server.status();
  const TestService::Stub stub = NewStub();
  EXPECT_TRUE(Echoes(stub, 1));
  const std::string there = directory().List();
  const auto work = [&]() -> std::string {
    server->reset();
    return directory().List() == there ? "" : "the child's destructor removed the parent's socket";
  };
  EXPECT_EQ(InChild(work), "");
  EXPECT_EQ(directory().List(), there);
  EXPECT_TRUE(Echoes(stub, 2));
  EXPECT_TRUE(Echoes(NewStub(), 3));
}

}  // namespace
}  // namespace conformance
