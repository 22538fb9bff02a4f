// Servers at sockets that were made before them (address option `fd`), as by systemd.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <future>
#include <memory>
#include <string>

#include "call_gates.h"
#include "call_named_fixture.h"
#include "call_test_service.h"
#include "core/frame_engine.h"
#include "transport/all_transports.h"
#include "transport/clock.h"
#include "transport/unix_socket.h"

namespace conformance {
namespace {

// Every transport that meets its peer at a socket file.
class AdoptedTest : public NamedTest, public testing::WithParamInterface<const char*> {
 protected:
  AdoptedTest() {
    const auto where = *sidecall::UnixSocketAddress::FromPath(path_);
    EXPECT_EQ(bind(made_.get(), reinterpret_cast<const sockaddr*>(&where.address), where.length), 0);
    EXPECT_EQ(listen(made_.get(), 16), 0);
  }

  std::string address() const { return std::string(GetParam()) + ":" + path_; }
  // A server that is passed the socket. Its maker keeps it as well.
  absl::StatusOr<std::unique_ptr<sidecall::Server>> Serve() {
    return sidecall::ServerBuilder()
        .AddAddress(address() + "?fd=" + std::to_string(dup(made_.get())))
        .Publish()
        .RegisterService(&service_)
        .BuildAndStart();
  }
  bool AwaitClient() const {
    pollfd item{.fd = made_.get(), .events = POLLIN, .revents = 0};
    return poll(&item, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count())) == 1;
  }

  const std::string path_ = directory() + "/made-before";
  const sidecall::UniqueFd made_{socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  Gates gates_;
  TestServiceImpl service_{"", gates_};
};
INSTANTIATE_TEST_SUITE_P(All, AdoptedTest, testing::Values("shm", "unix"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(AdoptedTest, IsKnownByTheAddressWithoutTheDescriptor) {
  const auto server = Serve();
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_EQ((*server)->addresses(), std::vector<std::string>{address()});
  EXPECT_TRUE(Echoes(TestService::Stub(sidecall::CreateChannel(address())), 1));
  const auto by_name = sidecall::CreateChannel(kTarget);
  EXPECT_TRUE(EchoesPayload(TestService::Stub(by_name), 100'000, 2));
  EXPECT_EQ(by_name->Connections(), std::vector<std::string>{address()});
}

// What socket activation is for: the first call starts the server, and no restart of it is noticed.
TEST_P(AdoptedTest, CallsWaitForTheServer) {
  for (int64_t generation = 1; generation <= 2; generation++) {
    auto call = std::async(std::launch::async, [&] {
      return Echoes(TestService::Stub(sidecall::CreateChannel(address())), generation);
    });
    ASSERT_TRUE(AwaitClient());
    const auto server = Serve();
    ASSERT_TRUE(server.ok()) << server.status();
    EXPECT_TRUE(call.get());
    (*server)->Shutdown();
  }
  struct stat there {};
  EXPECT_EQ(lstat(path_.c_str(), &there), 0) << "the path is its maker's to remove";
}

TEST_P(AdoptedTest, ClientsMayNotNameADescriptor) {
  PatientContext context;
  EchoMessage reply;
  const absl::Status status =
      TestService::Stub(sidecall::CreateChannel(address() + "?fd=3")).Echo(&context, EchoMessage(), &reply);
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kInvalidArgument));
  EXPECT_TRUE(Says(status, "Connect to " + address()));
}

// By name a client connects to none but who registered, or root, who makes sockets for others.
TEST_P(AdoptedTest, MadeByAnotherUser) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  const auto server = Serve();
  ASSERT_TRUE(server.ok()) << server.status();
  const auto connects_to = [&](uid_t registered_by) {
    auto parsed = *sidecall::Address::Parse(address());
    const sidecall::Transport* transport = *sidecall::FindTransport(parsed);
    sidecall::FrameEngine engine(
        {.name = "the server", .candidates = {{transport, parsed}}, .owner = registered_by}, {});
    PatientContext context;
    context.set_wait_for_ready(true);
    return engine.Connect(context);
  };
  EXPECT_TRUE(connects_to(0));
  EXPECT_TRUE(connects_to(54321)) << "root listens for it";
  ASSERT_EQ(seteuid(54321), 0);
  const int listens = listen(made_.get(), 16);
  ASSERT_EQ(seteuid(0), 0);
  ASSERT_EQ(listens, 0);
  EXPECT_TRUE(connects_to(54321));
  EXPECT_FALSE(connects_to(54322)) << "somebody else";
}

}  // namespace
}  // namespace conformance
