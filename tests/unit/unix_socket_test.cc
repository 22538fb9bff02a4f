// Where servers meet clients: taking addresses over, and never stealing one.
#include "transport/unix_socket.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <future>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/unit/temp_dir.h"
#include "transport/address.h"
#include "transport/clock.h"

namespace sidecall {
namespace {

using testing::HasSubstr;

int64_t Soon() {
  return MonotonicNanos() + 20'000'000'000;
}
std::string Message(const absl::Status& status) {
  return std::string(status.message());
}

auto ListenAt(const std::string& path) {
  return UnixSocketListener::Listen(*UnixSocketAddress::FromPath(path));
}
auto ConnectTo(const std::string& path) {
  return ConnectUnixSocket(*UnixSocketAddress::FromPath(path), Soon());
}

// A socket file behind which nobody listens: what a crash leaves.
void LeaveStaleSocket(const std::string& path) {
  auto address = *UnixSocketAddress::FromPath(path);
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address.address), address.length), 0);
  ASSERT_EQ(listen(fd.get(), 1), 0);
}

size_t FilesIn(const TempDir& dir) {
  const std::filesystem::directory_iterator all(dir.path());
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

TEST(UnixSocketAddress, LongestPathAndNameThatFit) {
  const size_t most = sizeof(sockaddr_un::sun_path) - 1;
  EXPECT_TRUE(UnixSocketAddress::FromPath(std::string(most, 'x')).ok());
  EXPECT_TRUE(UnixSocketAddress::FromAbstractName(std::string(most, 'x')).ok());
  for (const auto& made : {UnixSocketAddress::FromPath(std::string(most + 1, 'x')),
                           UnixSocketAddress::FromAbstractName(std::string(most + 1, 'x'))}) {
    EXPECT_TRUE(absl::IsInvalidArgument(made.status()));
    EXPECT_THAT(Message(made.status()), HasSubstr(std::to_string(most + 1)));
    EXPECT_THAT(Message(made.status()), HasSubstr(std::to_string(most)));
  }
}

TEST(UnixSocketAddress, IsShownAsPeopleWriteIt) {
  EXPECT_EQ(UnixSocketAddress::FromPath("/run/x")->ToString(), "/run/x");
  EXPECT_EQ(UnixSocketAddress::FromAbstractName("name")->ToString(), "@name");
}

TEST(UnixSocketListener, ConnectsAndTellsWhoThePeerIs) {
  TempDir dir;
  auto listener = ListenAt(dir / "s");
  ASSERT_TRUE(listener.ok()) << listener.status();
  auto nobody = (*listener)->Accept();
  ASSERT_TRUE(nobody.ok());
  EXPECT_FALSE(nobody->valid());
  auto client = ConnectTo(dir / "s");
  ASSERT_TRUE(client.ok()) << client.status();
  pollfd item{.fd = (*listener)->descriptor(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(poll(&item, 1, 20'000), 1);
  auto server = (*listener)->Accept();
  ASSERT_TRUE(server.ok() && server->valid());
  for (const int fd : {client->get(), server->get()}) {
    auto peer = UnixPeerIdentity(fd);
    ASSERT_TRUE(peer.ok()) << peer.status();
    if (geteuid() != 65534) {
      EXPECT_EQ(peer->uid, geteuid());
    }
    EXPECT_EQ(peer->pid, getpid());
    char byte = 0;
    EXPECT_EQ(read(fd, &byte, 1), -1);
    EXPECT_EQ(errno, EAGAIN) << "both ends are non-blocking";
  }
}

TEST(PeerIdentity, CopiesShareTheirGroups) {
  const PeerIdentity peer{.uid = 1, .gid = 2, .groups = GroupList({10, 20}), .pid = 3};
  const PeerIdentity copy = peer;
  EXPECT_EQ(std::vector<gid_t>(copy.groups.begin(), copy.groups.end()), (std::vector<gid_t>{10, 20}));
  EXPECT_EQ(copy.groups.begin(), peer.groups.begin()) << "each call's context has a copy, and no allocation";
  EXPECT_TRUE(GroupList(std::vector<gid_t>()).empty());
  EXPECT_EQ(GroupList().begin(), GroupList().end());
}

TEST(UnixSocketListener, OnlyTheSocketStaysWhileItListens) {
  TempDir dir;
  auto listener = ListenAt(dir / "s");
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_EQ(FilesIn(dir), 1u) << "no lock file is left";
  listener->reset();
  EXPECT_EQ(FilesIn(dir), 0u);
}

TEST(UnixSocketListener, LiveAddressIsNeverStolen) {
  TempDir dir;
  auto listener = ListenAt(dir / "s");
  ASSERT_TRUE(listener.ok()) << listener.status();
  for (int i = 0; i < 3; i++) {
    auto second = ListenAt(dir / "s");
    EXPECT_TRUE(absl::IsAlreadyExists(second.status())) << second.status();
    EXPECT_THAT(Message(second.status()), HasSubstr(dir / "s"));
  }
  EXPECT_TRUE(ConnectTo(dir / "s").ok());
  EXPECT_EQ(FilesIn(dir), 1u);
}

// A server that does not accept, and as many clients as its backlog takes.
class FullBacklog {
 public:
  explicit FullBacklog(const std::string& path) : address_(*UnixSocketAddress::FromPath(path)) {
    const auto* name = reinterpret_cast<const sockaddr*>(&address_.address);
    EXPECT_EQ(bind(server_.get(), name, address_.length), 0);
    EXPECT_EQ(listen(server_.get(), 0), 0);
    do {
      waiting_.emplace_back(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    } while (connect(waiting_.back().get(), name, address_.length) == 0 && waiting_.size() < 10);
    EXPECT_LT(waiting_.size(), 10u);
  }
  const UnixSocketAddress& address() const { return address_; }

 private:
  const UnixSocketAddress address_;
  const UniqueFd server_{socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::vector<UniqueFd> waiting_;
};

TEST(UnixSocketListener, LiveAddressWithAFullBacklogIsNeverStolen) {
  TempDir dir;
  const FullBacklog server(dir / "s");
  EXPECT_TRUE(absl::IsAlreadyExists(ListenAt(dir / "s").status()));
}

TEST(UnixSocketListener, ConnectToAFullBacklogEndsAtTheDeadline) {
  TempDir dir;
  const FullBacklog server(dir / "s");
  const int64_t deadline = MonotonicNanos() + 20'000'000;
  auto connected = ConnectUnixSocket(server.address(), deadline);
  EXPECT_TRUE(absl::IsDeadlineExceeded(connected.status())) << connected.status();
  EXPECT_GE(MonotonicNanos(), deadline - 1'000'000);
}

TEST(UnixSocketListener, ConnectToAFullBacklogEndsWhenNobodyWaits) {
  TempDir dir;
  const FullBacklog server(dir / "s");
  const UniqueFd cancelled(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  auto connecting = std::async(std::launch::async,
                               [&] { return ConnectUnixSocket(server.address(), Soon(), cancelled.get()); });
  uint64_t count = 1;
  ASSERT_EQ(write(cancelled.get(), &count, sizeof count), 8);
  auto connected = connecting.get();
  EXPECT_TRUE(absl::IsCancelled(connected.status())) << connected.status();
  EXPECT_EQ(read(cancelled.get(), &count, sizeof count), 8) << "nothing was read from it";
}

TEST(UnixSocketListener, SignalsNeitherEndNorProlongAConnect) {
  TempDir dir;
  const FullBacklog server(dir / "s");
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) {};  // No SA_RESTART.
  ASSERT_EQ(sigaction(SIGALRM, &action, &before), 0);
  const itimerval often{.it_interval = {.tv_sec = 0, .tv_usec = 3000},
                        .it_value = {.tv_sec = 0, .tv_usec = 3000}};
  ASSERT_EQ(setitimer(ITIMER_REAL, &often, nullptr), 0);
  const int64_t deadline = MonotonicNanos() + 100'000'000;
  auto connected = ConnectUnixSocket(server.address(), deadline);
  const int64_t ended = MonotonicNanos();
  const itimerval never{};
  setitimer(ITIMER_REAL, &never, nullptr);
  sigaction(SIGALRM, &before, nullptr);
  EXPECT_TRUE(absl::IsDeadlineExceeded(connected.status())) << connected.status();
  EXPECT_GE(ended, deadline - 1'000'000);
  EXPECT_LT(ended, deadline + 10'000'000'000);
}

TEST(UnixSocketListener, DeadAddressIsTakenOver) {
  TempDir dir;
  LeaveStaleSocket(dir / "s");
  EXPECT_TRUE(absl::IsUnavailable(ConnectTo(dir / "s").status()));
  auto listener = ListenAt(dir / "s");
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_TRUE(ConnectTo(dir / "s").ok());
}

TEST(UnixSocketListener, OfManyThatTakeADeadAddressOverOneWins) {
  TempDir dir;
  for (int round = 0; round < 20; round++) {
    LeaveStaleSocket(dir / "s");
    std::vector<std::future<absl::StatusOr<std::unique_ptr<UnixSocketListener>>>> racing;
    for (int i = 0; i < 4; i++)
      racing.push_back(std::async(std::launch::async, [&] { return ListenAt(dir / "s"); }));
    std::vector<std::unique_ptr<UnixSocketListener>> won;
    for (auto& future : racing) {
      auto listener = future.get();
      if (listener.ok()) {
        won.push_back(*std::move(listener));
      } else {
        EXPECT_TRUE(absl::IsAlreadyExists(listener.status())) << listener.status();
      }
    }
    ASSERT_EQ(won.size(), 1u);
    EXPECT_TRUE(ConnectTo(dir / "s").ok());
  }
  EXPECT_EQ(FilesIn(dir), 0u);
}

TEST(UnixSocketListener, FileThatIsNoSocketIsLeftAlone) {
  TempDir dir;
  std::ofstream(dir / "s") << "precious";
  auto listener = ListenAt(dir / "s");
  EXPECT_TRUE(absl::IsAlreadyExists(listener.status())) << listener.status();
  EXPECT_THAT(Message(listener.status()), HasSubstr("no socket"));
  std::string text;
  std::ifstream(dir / "s") >> text;
  EXPECT_EQ(text, "precious");
  EXPECT_EQ(FilesIn(dir), 1u);
}

TEST(UnixSocketListener, SymbolicLinkIsLeftAlone) {
  TempDir dir;
  LeaveStaleSocket(dir / "target");
  std::filesystem::create_symlink(dir / "target", dir / "s");
  EXPECT_TRUE(absl::IsAlreadyExists(ListenAt(dir / "s").status()));
  EXPECT_TRUE(std::filesystem::exists(std::filesystem::symlink_status(dir / "target")));
}

TEST(UnixSocketListener, RemovesOnlyItsOwnFile) {
  TempDir dir;
  auto first = ListenAt(dir / "s");
  ASSERT_TRUE(first.ok());
  ASSERT_EQ(unlink((dir / "s").c_str()), 0);
  auto second = ListenAt(dir / "s");
  ASSERT_TRUE(second.ok()) << second.status();
  first->reset();
  EXPECT_TRUE(ConnectTo(dir / "s").ok()) << "the second's file was removed";
}

TEST(UnixSocketListener, ForkedChildRemovesNothing) {
  TempDir dir;
  auto listener = ListenAt(dir / "s");
  ASSERT_TRUE(listener.ok());
  const pid_t child = fork();
  if (child == 0) {
    listener->reset();
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(ConnectTo(dir / "s").ok());
}

TEST(UnixSocketListener, MissingDirectoryIsNotFound) {
  TempDir dir;
  auto listener = ListenAt(dir / "none/s");
  EXPECT_TRUE(absl::IsNotFound(listener.status())) << listener.status();
  EXPECT_THAT(Message(listener.status()), HasSubstr(dir / "none/s"));
}

// Root may do everything: for as long as this lives, it is nobody.
class AsNobody {
 public:
  AsNobody() { EXPECT_TRUE(geteuid() != 0 || seteuid(65534) == 0); }
  ~AsNobody() { EXPECT_EQ(seteuid(getuid()), 0); }
};

TEST(UnixSocketListener, ForbiddenDirectoryIsPermissionDenied) {
  TempDir dir;
  ASSERT_EQ(chmod(dir.path().c_str(), 0500), 0);
  AsNobody nobody;
  EXPECT_TRUE(absl::IsPermissionDenied(ListenAt(dir / "s").status()));
}

TEST(UnixSocketListener, ForbiddenSocketIsPermissionDenied) {
  TempDir dir;
  auto listener = ListenAt(dir / "s");
  ASSERT_TRUE(listener.ok());
  ASSERT_EQ(chmod(dir.path().c_str(), 0755), 0);
  ASSERT_EQ(chmod((dir / "s").c_str(), 0000), 0);
  AsNobody nobody;
  auto client = ConnectTo(dir / "s");
  EXPECT_TRUE(absl::IsPermissionDenied(client.status())) << client.status();
  EXPECT_THAT(Message(client.status()), HasSubstr("uid " + std::to_string(geteuid())));
}

TEST(UnixSocketListener, NothingThereIsUnavailable) {
  TempDir dir;
  EXPECT_TRUE(absl::IsUnavailable(ConnectTo(dir / "s").status()));
}

TEST(UnixSocketListener, AbstractNames) {
  const std::string name = "sidecall-test-" + std::to_string(getpid());
  auto address = *UnixSocketAddress::FromAbstractName(name);
  EXPECT_TRUE(absl::IsUnavailable(ConnectUnixSocket(address, Soon()).status()));
  auto listener = UnixSocketListener::Listen(address);
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_TRUE(ConnectUnixSocket(address, Soon()).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(UnixSocketListener::Listen(address).status()));
  listener->reset();
  EXPECT_TRUE(UnixSocketListener::Listen(address).ok());
}

// -- Sockets that somebody else has made

// As systemd, or a shell, passes one to a server: neither close-on-exec nor non-blocking.
UniqueFd MakeSocket(const std::string& path, int type = SOCK_STREAM) {
  UniqueFd fd(socket(AF_UNIX, type, 0));
  auto address = *UnixSocketAddress::FromPath(path);
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address.address), address.length), 0);
  return fd;
}
UniqueFd MakeListeningSocket(const std::string& path) {
  UniqueFd fd = MakeSocket(path);
  EXPECT_EQ(listen(fd.get(), 4), 0);
  return fd;
}
auto Adopt(int descriptor, const std::string& path) {
  return UnixSocketListener::Adopt(descriptor, *UnixSocketAddress::FromPath(path));
}
// Where the server at `path` is not dead to it.
absl::StatusOr<PeerIdentity> WhoListens(const std::string& path) {
  auto client = ConnectTo(path);
  if (!client.ok()) return client.status();
  auto peer = UnixPeerIdentity(client->get());
  if (!peer.ok()) return peer.status();
  auto process = UnixPeerProcess(client->get(), *peer);
  if (!process.ok()) return process.status();
  return peer;
}

TEST(AdoptedSocket, ServesWhoeverWaits) {
  TempDir dir;
  const UniqueFd made = MakeListeningSocket(dir / "s");
  auto waiting = ConnectTo(dir / "s");
  ASSERT_TRUE(waiting.ok()) << waiting.status();
  const int number = dup(made.get());
  auto listener = Adopt(number, dir / "s");
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_NE(fcntl((*listener)->descriptor(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_NE(fcntl((*listener)->descriptor(), F_GETFL) & O_NONBLOCK, 0);
  auto first = (*listener)->Accept();
  EXPECT_TRUE(first.ok() && first->valid());
  auto nobody = (*listener)->Accept();
  EXPECT_TRUE(nobody.ok() && !nobody->valid());
  EXPECT_TRUE(absl::IsInvalidArgument(Adopt(number, dir / "s").status())) << "it is the first's";
  EXPECT_TRUE(absl::IsAlreadyExists(ListenAt(dir / "s").status())) << "nor is its path to be had";
}

TEST(AdoptedSocket, PathIsItsMakers) {
  TempDir dir;
  const UniqueFd made = MakeListeningSocket(dir / "s");
  for (int server = 0; server < 2; server++) {
    auto listener = Adopt(dup(made.get()), dir / "s");
    ASSERT_TRUE(listener.ok()) << listener.status();
    listener->reset();
    EXPECT_TRUE(ConnectTo(dir / "s").ok()) << "waits for the next server";
  }
}

TEST(AdoptedSocket, WhatIsNoListeningSocketIsRefused) {
  TempDir dir;
  const UniqueFd event(eventfd(0, EFD_CLOEXEC));
  const UniqueFd network(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const UniqueFd datagram = MakeSocket(dir / "datagram", SOCK_DGRAM);
  const UniqueFd bound = MakeSocket(dir / "bound");
  const UniqueFd elsewhere = MakeListeningSocket(dir / "elsewhere");
  const int unused = dup(event.get());
  close(unused);
  const std::vector<std::pair<int, std::string>> refused = {
      {unused, "is not open"},           {event.get(), "no socket"},
      {network.get(), "another family"}, {datagram.get(), "ListenStream="},
      {bound.get(), "does not listen"},  {elsewhere.get(), "bound to " + dir / "elsewhere"},
  };
  for (const auto& [descriptor, why] : refused) {
    auto listener = Adopt(descriptor, dir / "s");
    EXPECT_TRUE(absl::IsInvalidArgument(listener.status())) << listener.status();
    EXPECT_THAT(Message(listener.status()), HasSubstr(why));
    EXPECT_THAT(Message(listener.status()), HasSubstr("descriptor " + std::to_string(descriptor)));
    EXPECT_THAT(Message(listener.status()), HasSubstr(dir / "s"));
    EXPECT_TRUE(descriptor == unused || fcntl(descriptor, F_GETFD) >= 0) << "it stays the caller's";
  }
}

TEST(AdoptedSocket, AbstractName) {
  const std::string name = "sidecall-adopt-" + std::to_string(getpid());
  const auto address = *UnixSocketAddress::FromAbstractName(name);
  const UniqueFd made(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(bind(made.get(), reinterpret_cast<const sockaddr*>(&address.address), address.length), 0);
  ASSERT_EQ(listen(made.get(), 1), 0);
  EXPECT_TRUE(absl::IsInvalidArgument(Adopt(made.get(), "@" + name).status())) << "a path of that name";
  EXPECT_TRUE(UnixSocketListener::Adopt(dup(made.get()), address).ok());
}

// To its clients the process that called listen() is who listens, and they watch it.
TEST(AdoptedSocket, WhoListensIsAlive) {
  TempDir dir;
  const UniqueFd made = MakeSocket(dir / "s");
  int done[2];
  ASSERT_EQ(pipe2(done, O_CLOEXEC), 0);
  const pid_t manager = fork();
  if (manager == 0) {
    char byte = 0;
    close(done[1]);
    _exit(listen(made.get(), 4) == 0 && read(done[0], &byte, 1) == 0 ? 0 : 1);
  }
  close(done[0]);
  int accepting = 0;
  socklen_t length = sizeof accepting;
  while (getsockopt(made.get(), SOL_SOCKET, SO_ACCEPTCONN, &accepting, &length) == 0 && accepting == 0) {
    std::this_thread::yield();
  }
  auto managed = Adopt(dup(made.get()), dir / "s");
  ASSERT_TRUE(managed.ok()) << managed.status();
  auto peer = WhoListens(dir / "s");
  ASSERT_TRUE(peer.ok()) << peer.status();
  EXPECT_EQ(peer->pid, manager) << "who outlives the server is left in its place";
  close(done[1]);
  int status = 0;
  ASSERT_EQ(waitpid(manager, &status, 0), manager);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(absl::IsUnavailable(WhoListens(dir / "s").status())) << "it is dead";
  auto inherited = Adopt(dup(made.get()), dir / "s");
  ASSERT_TRUE(inherited.ok()) << inherited.status();
  peer = WhoListens(dir / "s");
  ASSERT_TRUE(peer.ok()) << peer.status();
  EXPECT_EQ(peer->pid, getpid());
}

TEST(AdoptedSocket, IsNamedByAnOptionOfTheAddress) {
  TempDir dir;
  const auto where = *UnixSocketAddress::FromPath(dir / "s");
  const auto address = [&](const std::string& fd) { return *Address::Parse("any:" + dir / "s?fd=" + fd); };
  for (const char* number : {"-1", "three", "4294967299"}) {
    auto listener = UnixSocketListener::Listen(address(number), where);
    EXPECT_TRUE(absl::IsInvalidArgument(listener.status())) << listener.status();
    EXPECT_THAT(Message(listener.status()), HasSubstr(number));
  }
  const UniqueFd made = MakeListeningSocket(dir / "s");
  const std::string number = std::to_string(dup(made.get()));
  auto listener = UnixSocketListener::Listen(address(number), where);
  ASSERT_TRUE(listener.ok()) << listener.status();
  auto client = ConnectUnixSocket(address(number), where, Soon(), -1);
  EXPECT_TRUE(absl::IsInvalidArgument(client.status())) << client.status();
  EXPECT_THAT(Message(client.status()), HasSubstr("Connect to any:" + dir / "s"));
  EXPECT_TRUE(ConnectUnixSocket(*Address::Parse("any:" + dir / "s"), where, Soon(), -1).ok());
}

}  // namespace
}  // namespace sidecall
