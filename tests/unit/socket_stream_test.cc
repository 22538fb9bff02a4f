#include "transports/unix/socket_stream.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace sidecall {
namespace {

class SocketStreamTest : public testing::TestWithParam<int> {};

constexpr int kPassPidfd = 76;  // SO_PASSPIDFD, Linux 6.5

INSTANTIATE_TEST_SUITE_P(Options, SocketStreamTest, testing::Values(SO_PASSCRED, kPassPidfd),
                         [](const auto& info) { return info.param == kPassPidfd ? "pidfd" : "credentials"; });

TEST(SocketStreamWaitTest, TellsOfReads) {
  std::array<int, 2> sockets{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets.data()), 0);
  const UniqueFd theirs(sockets[1]);
  const SocketStream stream{UniqueFd(sockets[0])};
  const WaitDescriptors wait = stream.wait_descriptors(false);
  EXPECT_TRUE(wait.tells_of_reads);
  EXPECT_EQ(wait.items[0].fd, sockets[0]) << "the first, which EventLoopTest shows to tell";
}

// The kernel keeps bytes of several writers apart where a socket passes on who they are, as systemd's may.
TEST_P(SocketStreamTest, ReadsBytesOfTwoProcessesTogether) {
  std::array<int, 2> sockets{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets.data()), 0);
  UniqueFd ours(sockets[0]);
  const UniqueFd theirs(sockets[1]);
  constexpr int kOn = 1;
  if (setsockopt(ours.get(), SOL_SOCKET, GetParam(), &kOn, sizeof kOn) != 0) {
    GTEST_SKIP() << "this kernel has no such option: " << std::strerror(errno);
  }
  SocketStream stream(std::move(ours));
  ASSERT_EQ(write(theirs.get(), "a", 1), 1);
  const pid_t child = fork();
  if (child == 0) _exit(write(theirs.get(), "b", 1) == 1 ? 0 : 1);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  std::array<char, 8> bytes{};
  EXPECT_EQ(stream.Read(bytes.data(), bytes.size()), 2);
}

}  // namespace
}  // namespace sidecall
