// fd:, pipes that are there.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>

#include "exec_calls.h"
#include "transport/address.h"
#include "transports/exec/fd_pipes.h"

namespace exec_test {
namespace {

using sidecall::UniqueFd;

// Their ends are those of whom the addresses are given to.
struct TwoPipes {
  TwoPipes() { EXPECT_TRUE(pipe2(there.data(), O_CLOEXEC) == 0 && pipe2(back.data(), O_CLOEXEC) == 0); }
  std::string servers() const { return "fd:" + std::to_string(there[0]) + "," + std::to_string(back[1]); }
  std::string clients() const { return "fd:" + std::to_string(back[0]) + "," + std::to_string(there[1]); }

  std::array<int, 2> there{};
  std::array<int, 2> back{};
};

TEST(FdTest, PipesThatAreThere) {
  const TwoPipes pipes;
  PluginImpl plugin;
  auto server = ServeAt(pipes.servers(), plugin);
  ASSERT_TRUE(server.ok()) << server.status();
  {
    const Plugin::Stub stub(sidecall::CreateChannel(pipes.clients()));
    EXPECT_TRUE(Echo(stub, 1).ok());
    EXPECT_TRUE(Echo(stub, 2, 1 << 20).ok());
    EXPECT_EQ(Tell(stub, "peer"), "unknown") << "of pipes nobody knows who has the other end";
  }
  EXPECT_FALSE(Echo(Plugin::Stub(sidecall::CreateChannel(pipes.clients())), 3).ok()) << "pipes connect once";
}

// The numbers of a connection that has ended may be those of anything.
TEST(FdTest, ChannelThatHasEndedTouchesNoOtherPipes) {
  std::array<int, 2> other{};
  ASSERT_EQ(pipe2(other.data(), O_CLOEXEC), 0);
  const UniqueFd out(other[0]);
  const UniqueFd in(other[1]);
  const TwoPipes pipes;
  PluginImpl plugin;
  auto server = ServeAt(pipes.servers(), plugin);
  ASSERT_TRUE(server.ok()) << server.status();
  const Plugin::Stub stub(sidecall::CreateChannel(pipes.clients()));
  EXPECT_TRUE(Echo(stub, 1).ok());
  server->reset();
  EXPECT_TRUE(absl::IsUnavailable(Echo(stub, 2)));
  // Now those numbers are free.
  ASSERT_EQ(dup2(out.get(), pipes.back[0]), pipes.back[0]);
  ASSERT_EQ(dup2(in.get(), pipes.there[1]), pipes.there[1]);
  EXPECT_TRUE(absl::IsUnavailable(Echo(stub, 3)));
  EXPECT_EQ(write(pipes.there[1], "x", 1), 1);
  char byte = 0;
  EXPECT_EQ(read(pipes.back[0], &byte, 1), 1) << "neither closed, nor read, nor written to";
  EXPECT_EQ(byte, 'x');
  close(pipes.back[0]);
  close(pipes.there[1]);
}

// A client that has nothing to say yet is not one that does not say hello.
TEST(FdTest, AServerHasNoClientBeforeThatSaysSomething) {
  const TwoPipes pipes;
  const UniqueFd client_in(pipes.back[0]);
  UniqueFd client_out(pipes.there[1]);
  const auto address = sidecall::Address::Parse(pipes.servers());
  ASSERT_TRUE(address.ok()) << address.status();
  const auto listener = sidecall::ListenAtPipes(*address);
  ASSERT_TRUE(listener.ok()) << listener.status();
  pollfd item{.fd = (*listener)->descriptor(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(poll(&item, 1, 0), 0);
  client_out = UniqueFd();
  EXPECT_EQ(poll(&item, 1, 0), 1) << "or hangs up";
  const auto connection = (*listener)->Accept();
  ASSERT_TRUE(connection.ok()) << connection.status();
  EXPECT_NE(*connection, nullptr);
  EXPECT_EQ(poll(&item, 1, 0), 0) << "and there is no other";
}

}  // namespace
}  // namespace exec_test
