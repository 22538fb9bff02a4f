#include "transports/unix/socket_stream.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <utility>

namespace sidecall {
namespace {

// The kernel keeps bytes of several writers apart where a socket passes credentials, as systemd's may.
TEST(SocketStream, ReadsBytesOfTwoProcessesTogether) {
  std::array<int, 2> sockets{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets.data()), 0);
  UniqueFd ours(sockets[0]);
  const UniqueFd theirs(sockets[1]);
  constexpr int kOn = 1;
  ASSERT_EQ(setsockopt(ours.get(), SOL_SOCKET, SO_PASSCRED, &kOn, sizeof kOn), 0);
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
