// Servers, and clients with their servers, that are killed at each call by which they make or remove a name;
// and the server that comes next.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <mqueue.h>

#include <csignal>
#include <memory>
#include <set>
#include <string>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "call_child.h"
#include "fault_fixture.h"
#include "fault_roles.h"
#include "process_figures.h"
#include "transport/address.h"
#include "transports/mqueue/queue_names.h"

namespace fault {
namespace {

using conformance::Child;
using conformance::Place;
using conformance::ServerUnderTest;

constexpr char kOneProcess[] = "client and server are one process";
constexpr int kFarTooMany = 100;

bool NamesSomething(const Setup& setup) {
  return NamesAFile(setup) || setup.scheme == "mqueue";
}

// Whether it did what it was to do, and was not killed before.
bool Lives(Child& child) {
  const std::string said = child.Receive();
  if (said.empty()) child.Kill();  // Dead already: that it may be is told here.
  EXPECT_TRUE(said.empty() || said == "lives") << said;
  return !said.empty();
}

bool IsQueue(const std::string& name) {
  const mqd_t queue = mq_open(name.c_str(), O_RDONLY);
  if (queue != -1) mq_close(queue);
  return queue != -1;
}

// What tells of it in /dev/shm is looked at with the files.
std::string QueuesOf(const std::string& address, pid_t client) {
  const auto parsed = sidecall::Address::Parse(address);
  const auto names = sidecall::QueueNames::Of(*parsed);
  std::string left = IsQueue(names->listening) ? " " + names->listening : "";
  for (int number = 1; number <= 2; number++) {
    const std::string connection = absl::StrCat(client, "-", number);
    for (const std::string& name : {names->ToServer(connection), names->ToClient(connection)}) {
      if (IsQueue(name)) left += " " + name;
    }
  }
  return left;
}

// The server that comes next serves, and when it has gone nothing is there of those before it, either. It
// comes some seconds later: who has just made a file is let be.
testing::AssertionResult NextServerCleans(const std::string& address, const std::string& small,
                                          const std::string& directory, const std::set<std::string>& files) {
  constexpr long kLaterSeconds = 10;
  JumpWallClock(kLaterSeconds);
  const absl::Cleanup jump_back = [] { JumpWallClock(0); };
  {
    const auto next = ServerUnderTest::Start(Place::kSameProcess, {address}, {});
    if (!next.ok()) return testing::AssertionFailure() << next.status();
    auto echoes = conformance::Echoes(TestService::Stub(sidecall::CreateChannel(address + small)), 1);
    if (!echoes) return echoes;
  }
  std::string left;
  for (const std::string& file : FilesOf(directory)) {
    if (files.count(file) == 0) left += " " + file;
  }
  if (left.empty()) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "left:" << left;
}

TEST_P(FaultTest, Row03_ServerKilledAsItComesAndGoes) {
  SIDECALL_FAULT_NEEDS(MayLeaveTheProcess(GetParam()), kOneProcess);
  Begin();
  const std::string mortal = address() + "-mortal";
  const std::set<std::string> files = FilesOf(directory().path());
  int call = 1;
  for (bool lives = false; !lives; call++) {
    ASSERT_LT(call, kFarTooMany);
    {
      const auto server = Child::Start({"serve-until", mortal, std::to_string(call)});
      ASSERT_NE(server, nullptr);
      lives = Lives(*server);
    }
    EXPECT_TRUE(
        NextServerCleans(mortal, conformance::SmallConnections(GetParam()), directory().path(), files))
        << "after one that was killed at its call " << call;
    if (GetParam().scheme == "mqueue") {
      EXPECT_EQ(QueuesOf(mortal, 0), "");
    }
  }
  EXPECT_EQ(call > 2, NamesSomething(GetParam())) << "nobody was killed";
}

// The server does not run meanwhile, or does: it has cleaned nothing, or something.
TEST_P(FaultTest, Row01_ClientAndThenServerKilled) {
  SIDECALL_FAULT_NEEDS(MayLeaveTheProcess(GetParam()), kOneProcess);
  Begin();
  const std::string mortal = address() + "-mortal";
  const std::string small = conformance::SmallConnections(GetParam());
  const std::set<std::string> files = FilesOf(directory().path());
  const bool clients_name = GetParam().scheme == "pipe" || GetParam().scheme == "mqueue";
  for (const bool stopped : {true, false}) {
    int call = 1;
    for (bool lives = false; !lives; call++) {
      ASSERT_LT(call, kFarTooMany);
      auto server = ServerUnderTest::Start(Place::kOtherProcess, {mortal}, {});
      ASSERT_TRUE(server.ok()) << server.status();
      if (stopped) {
        ASSERT_TRUE(Stop((*server)->pid()));
      }
      const auto client = Child::Start({"call-until", mortal + small, std::to_string(call)});
      ASSERT_NE(client, nullptr);
      lives = Lives(*client);
      (*server)->Kill();
      server->reset();
      EXPECT_TRUE(NextServerCleans(mortal, small, directory().path(), files))
          << "after a client that was killed at its call " << call;
      if (GetParam().scheme == "mqueue") {
        EXPECT_EQ(QueuesOf(mortal, client->pid()), "") << "after call " << call;
      }
    }
    EXPECT_EQ(call > 2, clients_name) << "nobody was killed";
  }
}

}  // namespace
}  // namespace fault
