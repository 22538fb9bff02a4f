// A channel while it connects: to a place where somebody listens, and says nothing.
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "call_fixture.h"
#include "transport/all_transports.h"

namespace conformance {
namespace {

using sidecall::Channel;
using sidecall::ChannelState;

// False where it does not within kPatience.
bool AwaitConnecting(Channel& channel) {
  const auto limit = std::chrono::steady_clock::now() + kPatience;
  while (channel.GetState(false) != ChannelState::kConnecting) {
    if (std::chrono::steady_clock::now() >= limit) return false;
  }
  return true;
}

// Nobody takes its connections; when it is closed, they end.
class SilentListener {
 public:
  explicit SilentListener(const std::string& path) : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un where{};
    where.sun_family = AF_UNIX;
    path.copy(where.sun_path, sizeof where.sun_path - 1);
    EXPECT_EQ(bind(fd_, reinterpret_cast<const sockaddr*>(&where), sizeof where), 0);
    EXPECT_EQ(listen(fd_, 8), 0);
  }
  ~SilentListener() { Close(); }
  SilentListener(const SilentListener&) = delete;
  SilentListener& operator=(const SilentListener&) = delete;

  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

TEST(ConnectingTest, StatesOfACallThatConnects) {
  const TempDir directory;
  const std::string path = directory.path() + "/silent";
  SilentListener listener(path);
  const auto channel = sidecall::CreateChannel("unix:" + path);
  EXPECT_EQ(channel->GetState(false), ChannelState::kIdle);
  absl::Status status;
  std::thread caller([&] {
    PatientContext context;
    EchoMessage reply;
    status = TestService::Stub(channel).Echo(&context, EchoMessage(), &reply);
  });
  EXPECT_TRUE(AwaitConnecting(*channel));
  listener.Close();
  caller.join();
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kUnavailable));
  EXPECT_TRUE(sidecall::IsNotSent(status));
  EXPECT_EQ(channel->GetState(false), ChannelState::kTransientFailure);
}

TEST(ConnectingTest, EndsByConnectTimeoutAndDeadline) {
  const TempDir directory;
  const std::string path = directory.path() + "/silent";
  const SilentListener listener(path);
  sidecall::ChannelOptions options;
  options.connect_timeout = absl::Milliseconds(20);
  EchoMessage reply;
  PatientContext patient;
  const TestService::Stub impatient(sidecall::CreateChannel("unix:" + path, options));
  const absl::Status timed_out = impatient.Echo(&patient, EchoMessage(), &reply);
  EXPECT_TRUE(HasCode(timed_out, absl::StatusCode::kUnavailable));
  EXPECT_TRUE(sidecall::IsNotSent(timed_out));

  const TestService::Stub stub(sidecall::CreateChannel("unix:" + path));
  sidecall::ClientContext late;
  late.set_timeout(absl::Milliseconds(20));
  const absl::Status too_late = stub.Echo(&late, EchoMessage(), &reply);
  EXPECT_TRUE(HasCode(too_late, absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(sidecall::IsNotSent(too_late));
}

// Without any limit on connecting but what is said here.
TEST(ConnectingTest, NobodyIsHeldWhoDoesNotCall) {
  const TempDir directory;
  const std::string path = directory.path() + "/silent";
  const SilentListener listener(path);
  sidecall::ChannelOptions options;
  options.connect_timeout = absl::InfiniteDuration();
  const auto channel = sidecall::CreateChannel("unix:" + path, options);
  EXPECT_FALSE(channel->WaitForConnected(absl::Now() + absl::Milliseconds(20)));
  EXPECT_NE(channel->GetState(true), ChannelState::kReady);
  EXPECT_TRUE(AwaitConnecting(*channel));
}  // Nor is who destroys the channel.

// -- Cancel
// ---------------------------------------------------------------------------------------------------------

// A call on a thread of its own, that ends by its cancel at the latest.
class Caller {
 public:
  explicit Caller(std::shared_ptr<Channel> channel)
      : thread_([this, channel = std::move(channel)] {
          thread_id_ = gettid();
          EchoMessage reply;
          status_ = TestService::Stub(channel).Echo(&context_, EchoMessage(), &reply);
        }) {}
  ~Caller() {
    if (thread_.joinable()) (void)Cancel();
  }
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;

  absl::Status Join() {
    thread_.join();
    return status_;
  }
  absl::Status Cancel() {
    context_.TryCancel();
    return Join();
  }
  // Until the kernel says that it sleeps: in the call, where it has nothing else to wait for.
  bool AwaitAsleep() const {
    const auto limit = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < limit) {
      std::ifstream file("/proc/self/task/" + std::to_string(thread_id_) + "/stat");
      const std::string line{std::istreambuf_iterator<char>(file), {}};
      const size_t name_ends = line.rfind(')');
      if (name_ends != std::string::npos && line.compare(name_ends, 3, ") S") == 0) return true;
    }
    return false;
  }

 private:
  PatientContext context_;
  absl::Status status_;
  std::atomic<pid_t> thread_id_{0};
  std::thread thread_;
};

testing::AssertionResult IsCancelledUnsent(const absl::Status& status) {
  if (!sidecall::IsNotSent(status)) return testing::AssertionFailure() << status << " was sent, perhaps";
  return HasCode(status, absl::StatusCode::kCancelled);
}

// Counts frames.
class Frames final : public sidecall::FrameSink {
 public:
  bool OnFrame(const sidecall::FrameHeader& /*header*/, const sidecall::FrameBody& /*body*/) override {
    count++;
    return true;
  }
  void OnClosed(const absl::Status& why) override { ADD_FAILURE() << why; }
  int count = 0;
};

class SilentServerTest : public ServerTest {
 protected:
  // Where clients wait until something is accepted.
  std::unique_ptr<sidecall::Listener> Listen() const {
    const auto where = sidecall::Address::Parse(address());
    auto listener = (*sidecall::FindTransport(*where))->Listen(*where);
    EXPECT_TRUE(listener.ok()) << listener.status();
    return *std::move(listener);
  }
  // The next one, once it has said hello. Null where none does.
  static std::unique_ptr<sidecall::Connection> AcceptGreeting(sidecall::Listener& listener) {
    pollfd item{.fd = listener.descriptor(), .events = POLLIN, .revents = 0};
    if (poll(&item, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count())) != 1) return nullptr;
    auto connection = listener.Accept();
    if (!connection.ok() || *connection == nullptr) return nullptr;
    Frames frames;
    const auto limit = std::chrono::steady_clock::now() + kPatience;
    while (frames.count == 0) {
      if (std::chrono::steady_clock::now() >= limit) return nullptr;
      (*connection)->Poll(frames);
    }
    return *std::move(connection);
  }
};
SIDECALL_OVER_TRANSPORTS_WHERE(SilentServerTest, InOneProcess);

TEST_P(SilentServerTest, CancelBeforeItAccepts) {
  const auto listener = Listen();
  const auto channel = NewChannel();
  Caller caller(channel);
  EXPECT_TRUE(AwaitConnecting(*channel));
  EXPECT_TRUE(caller.AwaitAsleep());
  EXPECT_TRUE(IsCancelledUnsent(caller.Cancel()));
  EXPECT_EQ(channel->GetState(false), ChannelState::kIdle) << "a cancel says nothing of the server";
}

TEST_P(SilentServerTest, CancelBeforeItsHello) {
  const auto listener = Listen();
  const auto channel = NewChannel();
  Caller caller(channel);
  const auto connection = AcceptGreeting(*listener);
  EXPECT_NE(connection, nullptr);
  EXPECT_TRUE(caller.AwaitAsleep());
  EXPECT_TRUE(IsCancelledUnsent(caller.Cancel()));
  EXPECT_EQ(channel->GetState(false), ChannelState::kIdle);
}

TEST_P(SilentServerTest, CancelOfACallThatSharesAnAttempt) {
  const auto listener = Listen();
  const auto channel = NewChannel();
  Caller first(channel);
  EXPECT_TRUE(AwaitConnecting(*channel));
  Caller second(channel);
  EXPECT_TRUE(second.AwaitAsleep());
  EXPECT_TRUE(IsCancelledUnsent(second.Cancel()));
  EXPECT_EQ(channel->GetState(false), ChannelState::kConnecting) << "the first still waits";
  EXPECT_TRUE(IsCancelledUnsent(first.Cancel()));
}

class StoppedBeforeConnectingTest : public CallTest {
 protected:
  void SetUp() override {
    StartServer();
    kill(server().pid(), SIGSTOP);
    siginfo_t stopped;
    ASSERT_EQ(waitid(P_PID, static_cast<id_t>(server().pid()), &stopped, WSTOPPED), 0);
  }
  void TearDown() override {
    kill(server().pid(), SIGCONT);
    CallTest::TearDown();
  }
};
SIDECALL_OVER_TRANSPORTS_WHERE(StoppedBeforeConnectingTest, SharesAServerInAnotherProcess);

TEST_P(StoppedBeforeConnectingTest, OthersGoOnWhereWhoConnectsIsCancelled) {
  const auto channel = NewChannel();
  Caller first(channel);
  EXPECT_TRUE(AwaitConnecting(*channel));
  Caller second(channel);
  Caller third(channel);
  EXPECT_TRUE(second.AwaitAsleep());
  EXPECT_TRUE(third.AwaitAsleep());
  EXPECT_TRUE(IsCancelledUnsent(first.Cancel()));
  EXPECT_TRUE(AwaitConnecting(*channel)) << "one of the others tries now";
  kill(server().pid(), SIGCONT);
  EXPECT_TRUE(second.Join().ok());
  EXPECT_TRUE(third.Join().ok());
}

}  // namespace
}  // namespace conformance
