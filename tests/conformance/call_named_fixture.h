// NamedTest: servers in processes of their own, found by the name of their service in a registry directory of
// the test's own.
#ifndef SIDECALL_TESTS_CONFORMANCE_CALL_NAMED_FIXTURE_H_
#define SIDECALL_TESTS_CONFORMANCE_CALL_NAMED_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "call_fixture.h"

namespace conformance {

class NamedTest : public testing::Test {
 protected:
  static constexpr char kTarget[] = "sidecall:conformance.TestService";

  NamedTest() { setenv("SIDECALL_DIR", directory_.path().c_str(), 1); }
  ~NamedTest() override {
    for (const char* name : {"SIDECALL_CONFIG", "SIDECALL_DIR", "SIDECALL_SERVE", "SIDECALL_TRANSPORTS"})
      unsetenv(name);
  }

  const std::string& directory() const { return directory_.path(); }

  // Of the one server.
  std::string ShmSocket() const {
    for (const auto& entry : std::filesystem::directory_iterator(directory() + "/sockets")) {
      if (entry.path().extension() == ".shm") return entry.path();
    }
    ADD_FAILURE() << "no server listens over shm";
    return directory() + "/nothing";
  }
  // But empty directories, and the files of locks.
  void ExpectNothingLeft() const {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory())) {
      const std::string name = entry.path().filename();
      EXPECT_TRUE(entry.is_directory() || name == "lock" || name == "claims") << entry.path();
    }
  }

  static std::unique_ptr<ServerUnderTest> StartServer() {
    auto server = ServerUnderTest::Start(Place::kOtherProcess, {}, {});
    EXPECT_TRUE(server.ok()) << server.status();
    return server.ok() ? *std::move(server) : nullptr;
  }
  // Once it has returned, the process may be ended.
  static void ShutDown(ServerUnderTest& server) {
    server.BeginShutdown(absl::InfiniteDuration());
    EXPECT_TRUE(server.AwaitShutdown());
  }
  static absl::StatusOr<pid_t> WhoServes(const TestService::Stub& stub) {
    PatientContext context;
    WhoReply reply;
    absl::Status status = stub.WhoServes(&context, EmptyMessage(), &reply);
    if (!status.ok()) return status;
    return static_cast<pid_t>(reply.pid());
  }

 private:
  TempDir directory_;
};

}  // namespace conformance

#endif  // SIDECALL_TESTS_CONFORMANCE_CALL_NAMED_FIXTURE_H_
