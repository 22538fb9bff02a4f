// hello_service under a stand-in for systemd, which makes the socket, passes it on, and hears how the server
// does.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "hello.sidecall.h"
#include "sidecall/sidecall.h"

namespace hello {
namespace {

std::string program;  // hello_service
constexpr std::chrono::seconds kPatience{40};

class SystemdTest : public testing::TestWithParam<const char*> {
 protected:
  SystemdTest() {
    directory_ = std::filesystem::temp_directory_path() / "sidecall-systemd-XXXXXX";
    EXPECT_NE(mkdtemp(directory_.data()), nullptr);
    listening_ = Bind(SOCK_STREAM, "/greeter");
    EXPECT_EQ(listen(listening_, 16), 0);
    notifications_ = Bind(SOCK_DGRAM, "/notify");
  }
  ~SystemdTest() override {
    if (server_ > 0) {
      kill(server_, SIGKILL);
      waitpid(server_, nullptr, 0);
    }
    close(listening_);
    close(notifications_);
    std::filesystem::remove_all(directory_);
  }

  // As systemd starts it, with a watchdog that wants to hear of it every 100 ms.
  void StartServer() {
    server_ = fork();
    ASSERT_GE(server_, 0);
    if (server_ > 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const std::string pid = std::to_string(getpid());
    setenv("LISTEN_PID", pid.c_str(), 1);
    setenv("LISTEN_FDS", "1", 1);
    setenv("LISTEN_FDNAMES", GetParam(), 1);
    setenv("NOTIFY_SOCKET", (directory_ + "/notify").c_str(), 1);
    setenv("WATCHDOG_PID", pid.c_str(), 1);
    setenv("WATCHDOG_USEC", "100000", 1);
    // Number 3, and no other but the standard ones, stays open in the server.
    if (dup2(listening_, 3) == 3 && fcntl(3, F_SETFD, 0) == 0)
      execl(program.c_str(), program.c_str(), static_cast<char*>(nullptr));
    _exit(127);
  }

  std::string address() const { return std::string(GetParam()) + ":" + directory_ + "/greeter"; }
  std::string Ready() const { return "READY=1\nSTATUS=serves at " + address(); }
  std::string Call() const {
    const Greeter::Stub stub(sidecall::CreateChannel(address()));
    sidecall::ClientContext context;
    context.set_timeout(absl::FromChrono(kPatience));
    HelloRequest request;
    request.set_name("Ada");
    HelloReply reply;
    const absl::Status status = stub.SayHello(&context, request, &reply);
    return status.ok() ? reply.message() : status.ToString();
  }
  // The next notification; "" where none comes.
  std::string Hear() const {
    pollfd item{.fd = notifications_, .events = POLLIN, .revents = 0};
    if (poll(&item, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count())) != 1) return "";
    char text[1024];
    const ssize_t size = recv(notifications_, text, sizeof text, 0);
    return size > 0 ? std::string(text, static_cast<size_t>(size)) : "";
  }
  // Skips what the watchdog says.
  std::string HearButTheWatchdog() const {
    std::string heard = Hear();
    while (heard == "WATCHDOG=1") heard = Hear();
    return heard;
  }
  // The status with which it ended, once it has been asked to.
  int StopServer() {
    EXPECT_EQ(kill(server_, SIGTERM), 0);
    EXPECT_EQ(HearButTheWatchdog(), "STOPPING=1");
    int status = 0;
    EXPECT_EQ(waitpid(server_, &status, 0), server_);
    server_ = -1;
    return status;
  }

  std::string directory_;
  pid_t server_ = -1;

 private:
  int Bind(int type, const char* name) const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, (directory_ + name).c_str(), sizeof address.sun_path - 1);
    const int made = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    EXPECT_EQ(bind(made, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return made;
  }

  int listening_ = -1;
  int notifications_ = -1;
};
INSTANTIATE_TEST_SUITE_P(Transports, SystemdTest, testing::Values("shm", "unix"));

TEST_P(SystemdTest, FromTheFirstCallToTheEnd) {
  StartServer();
  EXPECT_EQ(Call(), "Hello, Ada!") << "it waited for the server";
  EXPECT_EQ(HearButTheWatchdog(), Ready());
  for (int beat = 0; beat < 3; beat++) EXPECT_EQ(Hear(), "WATCHDOG=1");
  EXPECT_EQ(StopServer(), 0);
  EXPECT_TRUE(std::filesystem::is_socket(directory_ + "/greeter"));
}

TEST_P(SystemdTest, CallsWaitWhileItRestarts) {
  for (int generation = 0; generation < 2; generation++) {
    StartServer();
    EXPECT_EQ(Call(), "Hello, Ada!");
    EXPECT_EQ(HearButTheWatchdog(), Ready());
    EXPECT_EQ(StopServer(), 0);
  }
}

}  // namespace
}  // namespace hello

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s HELLO_SERVICE\n", argv[0]);
    return 2;
  }
  hello::program = argv[1];
  return RUN_ALL_TESTS();
}
