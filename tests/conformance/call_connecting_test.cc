// A channel while it connects: to a socket where somebody listens, and says nothing.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "call_fixture.h"

namespace conformance {
namespace {

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
  using sidecall::ChannelState;
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
  const auto limit = std::chrono::steady_clock::now() + kPatience;
  while (channel->GetState(false) != ChannelState::kConnecting && std::chrono::steady_clock::now() < limit) {
  }
  EXPECT_EQ(channel->GetState(false), ChannelState::kConnecting);
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

}  // namespace
}  // namespace conformance
