// The config file: the order of those who choose a transport, rules of access, and SIGHUP.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "call_gates.h"
#include "call_named_fixture.h"
#include "call_services.h"
#include "sidecall/config.h"

namespace conformance {
namespace {

constexpr char kOptionsTarget[] = "sidecall:conformance.other.OptionsService";

class ConfigTest : public NamedTest {
 protected:
  ConfigTest() { setenv("SIDECALL_CONFIG", path().c_str(), 1); }

  std::string path() const { return config_directory_.path() + "/config.textproto"; }
  // Never seen half written.
  void Say(const std::string& text) const {
    std::ofstream(path() + ".new") << text;
    std::filesystem::rename(path() + ".new", path());
  }
  void SayOfService(const std::string& text) const {
    Say("service { name: \"conformance.TestService\" " + text + " }");
  }

  // Over what a new channel calls the service.
  static std::string Taken(const sidecall::ChannelOptions& options = {}, const char* target = kTarget) {
    const auto channel = sidecall::CreateChannel(target, options);
    EXPECT_TRUE(channel->WaitForConnected(absl::Now() + absl::FromChrono(kPatience)));
    const auto connections = channel->Connections();
    return connections.empty() ? "nothing" : connections[0];
  }
  static bool IsOver(const std::string& connection, const std::string& scheme) {
    return connection.starts_with(scheme + ":");
  }
  static absl::Status Echo(const TestService::Stub& stub) {
    PatientContext context;
    EchoMessage reply;
    return stub.Echo(&context, EchoMessage(), &reply);
  }

 private:
  TempDir config_directory_;
};

// -- Who chooses: the environment, then the file, then the program, then the .proto; the client before the
// server

TEST_F(ConfigTest, TheServersFileBeforeItsProto) {
  Say("service { name: \"conformance.other.OptionsService\" serve: [\"unix\"] }");
  auto server = StartServer();
  EXPECT_TRUE(IsOver(Taken({}, kOptionsTarget), "unix")) << "the .proto has unix-abstract first";
  EXPECT_TRUE(IsOver(Taken(), "shm")) << "another service";
}

TEST_F(ConfigTest, TheServersEnvironmentBeforeItsFile) {
  Say("service { name: \"*\" serve: [\"shm\"] }");
  setenv("SIDECALL_SERVE", "unix", 1);
  auto server = StartServer();
  EXPECT_TRUE(IsOver(Taken(), "unix"));
}

TEST_F(ConfigTest, TheServersFileBeforeItsOptions) {
  SayOfService("serve: [\"unix\"]");
  Gates gates;
  const auto services = MakeServices("", gates);
  sidecall::ServerBuilder builder;
  services->RegisterWith(builder);
  sidecall::PublishOptions options;
  options.transports = {"shm", "unix-abstract"};
  const auto server = builder.Publish(options).BuildAndStart();
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_TRUE(IsOver(Taken(), "unix"));
  EXPECT_TRUE(IsOver(Taken({}, kOptionsTarget), "unix-abstract")) << "of which the file says nothing";
}

TEST_F(ConfigTest, TheClientsFileBeforeItsOptionsAndTheServer) {
  SayOfService("transports: [\"unix\", \"shm\"]");
  auto server = StartServer();
  sidecall::ChannelOptions options;
  options.transports = {"shm"};
  const std::string taken = Taken(options);
  EXPECT_TRUE(IsOver(taken, "unix")) << taken;
  EXPECT_NE(taken.find("in the order of " + path() + ":1:"), std::string::npos) << taken;
  setenv("SIDECALL_TRANSPORTS", "shm", 1);
  EXPECT_NE(Taken(options).find("in the order of SIDECALL_TRANSPORTS"), std::string::npos);
}

TEST_F(ConfigTest, TheClientsOptionsBeforeTheServer) {
  Say("");
  auto server = StartServer();
  EXPECT_NE(Taken().find("in the order of the server"), std::string::npos);
  sidecall::ChannelOptions options;
  options.transports = {"unix"};
  EXPECT_NE(Taken(options).find("in the order of ChannelOptions::transports"), std::string::npos);
}

// -- What is wrong with it

TEST_F(ConfigTest, AServerDoesNotStartWithWhatItCannotUse) {
  Say("service {\n  name: \"x.Y\"\n  serve: [\"smoke\"]\n}");
  Gates gates;
  const auto services = MakeServices("", gates);
  sidecall::ServerBuilder builder;
  services->RegisterWith(builder);
  absl::Status status = builder.BuildAndStart().status();
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kInvalidArgument));
  EXPECT_TRUE(Says(status, path() + ":3:"));
  EXPECT_TRUE(Says(status, "there is no transport 'smoke'"));
  SayOfService("method { name: \"Ecko\" access { } }");
  status = builder.BuildAndStart().status();
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kInvalidArgument));
  EXPECT_TRUE(Says(status, "Nearest: Echo"));
}

TEST_F(ConfigTest, AFileThatIsNotThereOrOfOthers) {
  const TestService::Stub missing(sidecall::CreateChannel(kTarget));
  EXPECT_TRUE(HasCode(Echo(missing), absl::StatusCode::kNotFound));
  EXPECT_TRUE(Says(Echo(missing), "$SIDECALL_CONFIG"));
  Say("");
  chmod(path().c_str(), 0666);
  const TestService::Stub loose(sidecall::CreateChannel(kTarget));
  EXPECT_TRUE(HasCode(Echo(loose), absl::StatusCode::kFailedPrecondition));
  EXPECT_TRUE(Says(Echo(loose), "others may write to it"));
}

// -- While it runs

// Sends SIGHUP, and waits until a call ends otherwise than with `before`.
absl::StatusCode AfterHangup(pid_t server, const TestService::Stub& stub, absl::StatusCode before) {
  EXPECT_EQ(kill(server, SIGHUP), 0);
  const absl::Time limit = absl::Now() + absl::FromChrono(kPatience);
  absl::StatusCode code = before;
  while (code == before && absl::Now() < limit) {
    PatientContext context;
    EchoMessage reply;
    code = stub.Echo(&context, EchoMessage(), &reply).code();
  }
  return code;
}

TEST_F(ConfigTest, ReloadedAtHangup) {
  SayOfService("access { anyone: true }");
  auto server = StartServer();
  const TestService::Stub stub(sidecall::CreateChannel(kTarget));
  EXPECT_TRUE(Echo(stub).ok());
  SayOfService("access { user: \"54321\" }");
  EXPECT_TRUE(Echo(stub).ok()) << "not yet";
  EXPECT_EQ(AfterHangup(server->pid(), stub, absl::StatusCode::kOk), absl::StatusCode::kPermissionDenied);
  SayOfService("access { user: \"54321\" } method { name: \"Echo\" access { user: \"" +
               std::to_string(geteuid()) + "\" } }");
  EXPECT_EQ(AfterHangup(server->pid(), stub, absl::StatusCode::kPermissionDenied), absl::StatusCode::kOk);
}

TEST_F(ConfigTest, WhatCannotBeReadChangesNothing) {
  SayOfService("access { }");
  Gates gates;
  const auto services = MakeServices("", gates);
  sidecall::ServerBuilder builder;
  services->RegisterWith(builder);
  const auto server = builder.BuildAndStart();
  ASSERT_TRUE(server.ok()) << server.status();
  const TestService::Stub stub(sidecall::CreateChannel(kTarget));
  Say("service { nonsense }");
  EXPECT_TRUE(HasCode(sidecall::ReloadConfig(), absl::StatusCode::kInvalidArgument));
  EXPECT_TRUE(HasCode(Echo(stub), absl::StatusCode::kPermissionDenied));
  SayOfService("access { anyone: true } method { name: \"Ecko\" access { } }");
  EXPECT_TRUE(HasCode(sidecall::ReloadConfig(), absl::StatusCode::kInvalidArgument)) << "for this server";
  EXPECT_TRUE(HasCode(Echo(stub), absl::StatusCode::kPermissionDenied));
  std::filesystem::remove(path());
  EXPECT_TRUE(HasCode(sidecall::ReloadConfig(), absl::StatusCode::kNotFound));
  EXPECT_TRUE(HasCode(Echo(stub), absl::StatusCode::kPermissionDenied));
  // As it is without the variable, where the one of the machine is gone.
  unsetenv("SIDECALL_CONFIG");
  if (!std::filesystem::exists("/etc/sidecall/config.textproto")) {
    const absl::Status gone = sidecall::ReloadConfig();
    EXPECT_TRUE(HasCode(gone, absl::StatusCode::kNotFound));
    EXPECT_TRUE(Says(gone, "is gone: what it said stays"));
    EXPECT_TRUE(HasCode(Echo(stub), absl::StatusCode::kPermissionDenied));
  }
  setenv("SIDECALL_CONFIG", path().c_str(), 1);
  Say("");
  EXPECT_TRUE(sidecall::ReloadConfig().ok());
  EXPECT_TRUE(Echo(stub).ok());
}

#ifndef __SANITIZE_THREAD__  // which calls no signal handler in a child of a process with threads
// A server by which SIGHUP has become the runtime's, and what a child finds of it.
TEST_F(ConfigTest, AServerOfAForkedChildIsReloaded) {
  SayOfService("access { anyone: true }");
  Gates gates;
  const auto services = MakeServices("", gates);
  sidecall::ServerBuilder builder;
  services->RegisterWith(builder);
  ASSERT_TRUE(builder.BuildAndStart().ok());
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(static_cast<unsigned>(kPatience.count()));
    const auto server = builder.BuildAndStart();
    (void)!write(ends[1], server.ok() ? "y" : "n", 1);
    for (;;) pause();
  }
  close(ends[1]);
  char ready = 0;
  EXPECT_EQ(read(ends[0], &ready, 1), 1);
  EXPECT_EQ(ready, 'y');
  close(ends[0]);
  const TestService::Stub stub(sidecall::CreateChannel(kTarget));
  EXPECT_TRUE(Echo(stub).ok());
  SayOfService("access { }");
  EXPECT_EQ(AfterHangup(child, stub, absl::StatusCode::kOk), absl::StatusCode::kPermissionDenied);
  kill(child, SIGKILL);
  EXPECT_EQ(waitpid(child, nullptr, 0), child);
}
#endif

TEST_F(ConfigTest, ChannelsFollowAReload) {
  Say("");
  auto server = StartServer();
  const auto channel = sidecall::CreateChannel(kTarget);
  const TestService::Stub stub(channel);
  EXPECT_TRUE(Echoes(stub, 1));
  EXPECT_TRUE(IsOver(channel->Connections().at(0), "shm"));
  // A stream that is open stays where it is.
  PatientContext context;
  auto stream = stub.BidirectionalStream(&context);
  EchoMessage message;
  ASSERT_TRUE(stream->Write(message) && stream->Read(&message));
  SayOfService("transports: [\"unix\"]");
  ASSERT_TRUE(sidecall::ReloadConfig().ok());
  EXPECT_TRUE(Echoes(stub, 2));
  EXPECT_TRUE(IsOver(channel->Connections().at(0), "unix"));
  EXPECT_TRUE(stream->Write(message) && stream->Read(&message));
  EXPECT_TRUE(stream->WritesDone());
  EXPECT_TRUE(stream->Finish().ok());
  Say("service { name: 1 }");
  const absl::Status wrong = sidecall::ReloadConfig();
  EXPECT_TRUE(HasCode(wrong, absl::StatusCode::kInvalidArgument));
  EXPECT_TRUE(Says(wrong, path() + ":1:17"));
  EXPECT_TRUE(Echoes(stub, 3));
}

// -- For other users, by name

TEST_F(ConfigTest, AServerForOtherUsers) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  ASSERT_EQ(chmod(directory().c_str(), 0755), 0);
  SayOfService("access { user: \"0\" } method { name: \"PeerIdentity\" access { user: \"54321\" } }");
  ASSERT_EQ(chmod(std::filesystem::path(path()).parent_path().c_str(), 0755), 0);
  auto server = StartServer();
  const auto call_as = [](const std::string& user) {
    auto client = Child::Start({"identity", user, kTarget});
    return client != nullptr ? client->Ask("call") : "no child";
  };
  EXPECT_TRUE(call_as("54322").starts_with(
      "PERMISSION_DENIED: conformance.TestService/PeerIdentity is not for uid 54322"))
      << call_as("54322");
  EXPECT_TRUE(call_as("54321").find("uid 54321") == 0) << call_as("54321");
  server.reset();
  Say("service { name: \"conformance.other.OptionsService\" access { anyone: true } }");
  server = StartServer();
  EXPECT_TRUE(call_as("54321").starts_with(
      "PERMISSION_DENIED: conformance.TestService/PeerIdentity is not for uid 54321"))
      << "what has no rule is for the server's own user: " << call_as("54321");
  server.reset();
  Say("");
  const mode_t before = umask(0);
  server = StartServer();
  umask(before);
  EXPECT_TRUE(call_as("54321").starts_with(
      "PERMISSION_DENIED: conformance.TestService/PeerIdentity is not for uid 54321"))
      << "also where the umask lets everybody connect: " << call_as("54321");
  server.reset();
  server = StartServer();
  const std::string refused = call_as("54321");
  EXPECT_TRUE(refused.starts_with("PERMISSION_DENIED")) << refused;
  EXPECT_NE(refused.find("may not write to it"), std::string::npos)
      << "without a rule its sockets are its own: " << refused;
}

}  // namespace
}  // namespace conformance
