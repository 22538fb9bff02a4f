// ServerBuilder: what it refuses, with which code, and that it leaves nothing behind.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "call_child.h"
#include "call_fixture.h"
#include "call_test_service.h"
#include "transport/all_transports.h"

namespace conformance {
namespace {

class BuilderTest : public CallTest {
 protected:
  using Built = absl::StatusOr<std::unique_ptr<sidecall::Server>>;

  Built Build(const std::vector<std::string>& addresses) {
    sidecall::ServerBuilder builder;
    builder.RegisterService(&service_);
    for (const std::string& where : addresses) builder.AddAddress(where);
    return builder.BuildAndStart();
  }
  absl::Status StatusAt(const std::string& where) { return Build({where}).status(); }
  std::string AddressIn(const std::string& directory) const {
    return AddressAt(GetParam().scheme, directory + "/server") + GetParam().options;
  }

  Gates gates_;
  TestServiceImpl service_{"inproc:unused", gates_};
};
SIDECALL_OVER_TRANSPORTS_WHERE(BuilderTest, SharesAServer);

class FileAddressTest : public BuilderTest {};
SIDECALL_OVER_TRANSPORTS_WHERE(FileAddressTest, NamesAFile);

TEST_P(BuilderTest, LiveAddress) {
  StartServer();
  const absl::Status status = StatusAt(address());
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kAlreadyExists));
  EXPECT_TRUE(Says(status, place()));
  EXPECT_TRUE(Echoes(NewStub(), 1)) << "the one that was there is unharmed";
}

TEST_P(BuilderTest, SameAddressTwice) {
  EXPECT_TRUE(HasCode(Build({address(), address()}).status(), absl::StatusCode::kAlreadyExists));
  const Built server = Build({address()});
  EXPECT_TRUE(server.ok()) << "the failure left nothing behind: " << server.status();
}

TEST_P(BuilderTest, SeveralAddresses) {
  std::vector<std::string> addresses;
  for (const auto& transport : sidecall::AllTransports()) {
    const std::string scheme(transport->scheme());
    if (!AnyoneMayConnect(scheme)) continue;
    addresses.push_back(AddressAt(scheme, directory().path() + "/" + scheme));
  }
  const Built server = Build(addresses);
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_EQ((*server)->addresses(), addresses);
  for (const std::string& each : addresses)
    EXPECT_TRUE(Echoes(TestService::Stub(sidecall::CreateChannel(each)), 1));
}

TEST_P(BuilderTest, UnknownOption) {
  const absl::Status status =
      StatusAt(AddressAt(GetParam().scheme, directory().path() + "/server") + "?colour=red");
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kInvalidArgument));
  EXPECT_TRUE(Says(status, "colour"));
}

TEST_P(FileAddressTest, MissingDirectory) {
  const absl::Status status = StatusAt(AddressIn(directory().path() + "/missing"));
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kNotFound));
  EXPECT_TRUE(Says(status, "missing"));
}

class SocketAddressTest : public BuilderTest {};
bool NamesASocket(const Setup& setup) {
  return NamesAFile(setup) && ReachesOtherUsers(setup);
}
SIDECALL_OVER_TRANSPORTS_WHERE(SocketAddressTest, NamesASocket);

TEST_P(SocketAddressTest, PathTooLong) {
  const absl::Status status = StatusAt(AddressIn("/tmp/" + std::string(110, 'x')));
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kInvalidArgument));
  EXPECT_TRUE(Says(status, "107")) << "the limit";
}

TEST_P(FileAddressTest, SomethingElseIsThere) {
  const std::string path = directory().path() + "/server";
  std::ofstream(path) << "precious";
  EXPECT_TRUE(HasCode(StatusAt(address()), absl::StatusCode::kAlreadyExists));
  std::string content;
  std::ifstream(path) >> content;
  EXPECT_EQ(content, "precious");
  ASSERT_EQ(unlink(path.c_str()), 0);
}

TEST_P(FileAddressTest, NoPermission) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  ASSERT_EQ(chmod(directory().path().c_str(), 0755), 0);
  auto child = Child::Start({"listen", "54321", address()});
  ASSERT_NE(child, nullptr);
  const std::string status = child->Receive();
  EXPECT_EQ(status.substr(0, 17), "PERMISSION_DENIED") << status;
  EXPECT_NE(status.find(directory().path()), std::string::npos) << status;
}

// -- Whatever the transport
// ----------------------------------------------------------------------------------

TEST(BuilderWithoutTransportTest, NoService) {
  const auto server = sidecall::ServerBuilder().AddAddress("inproc:x").BuildAndStart();
  EXPECT_TRUE(HasCode(server.status(), absl::StatusCode::kFailedPrecondition));
  EXPECT_TRUE(Says(server.status(), "RegisterService"));
}

class OneService : public testing::Test {
 protected:
  sidecall::ServerBuilder builder() {
    sidecall::ServerBuilder builder;
    builder.RegisterService(&service_);
    return builder;
  }
  Gates gates_;
  TestServiceImpl service_{"inproc:unused", gates_};
};

TEST_F(OneService, Twice) {
  const auto server = builder().AddAddress("inproc:twice").RegisterService(&service_).BuildAndStart();
  EXPECT_TRUE(HasCode(server.status(), absl::StatusCode::kAlreadyExists));
  EXPECT_TRUE(Says(server.status(), "conformance.TestService"));
}

TEST_F(OneService, AddressesThatCannotBe) {
  for (const char* address : {"", "nonsense", "carrier-pigeon:/x", "unix:", "shm:/tmp/x?ring=100",
                              "shm:/tmp/x?ring=1T", "unix:/tmp/x?ring=65536"}) {
    const auto server = builder().AddAddress(address).BuildAndStart();
    EXPECT_TRUE(HasCode(server.status(), absl::StatusCode::kInvalidArgument)) << address;
  }
}

TEST_F(OneService, OptionsThatCannotBe) {
  sidecall::ServerOptions no_calls;
  no_calls.max_calls_per_connection = 0;
  sidecall::ServerOptions many_calls;
  many_calls.max_calls_per_connection = 1u << 20;
  sidecall::ServerOptions no_threads;
  no_threads.max_handler_threads = 0;
  for (const sidecall::ServerOptions& options : {no_calls, many_calls, no_threads}) {
    const auto server = builder().AddAddress("inproc:options").SetOptions(options).BuildAndStart();
    EXPECT_TRUE(HasCode(server.status(), absl::StatusCode::kInvalidArgument));
  }
}

}  // namespace
}  // namespace conformance
