// Clients that are killed or stopped, wherever they are.
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <csignal>
#include <memory>
#include <string>

#include "call_child.h"
#include "fault_fixture.h"
#include "handshake_steps.h"
#include "process_figures.h"

namespace fault {
namespace {

using conformance::Child;

constexpr char kOneProcess[] = "client and server are one process";

TEST_P(FaultTest, Row01_ClientKilledAtEachHandshakeStep) {
  SIDECALL_FAULT_NEEDS(MayLeaveTheProcess(GetParam()), kOneProcess);
  Begin();
  for (const std::string& step : HandshakeSteps(GetParam().scheme)) {
    for (int round = 0; round < 3; round++) {
      auto client = Child::Start({"handshake", address(), step});
      ASSERT_NE(client, nullptr);
      EXPECT_EQ(client->Receive(), "there") << step;
      client->Kill();
    }
    EXPECT_TRUE(GoodCall()) << "after a death at: " << step;
  }
}

TEST_P(FaultTest, Row02_ClientKilledMidCall) {
  SIDECALL_FAULT_NEEDS(MayLeaveTheProcess(GetParam()), kOneProcess);
  Begin();
  for (int round = 1; round <= 3; round++) {
    auto caller = Child::Start({"sleep", address(), "never"});
    auto writer = Child::Start({"write-stream", address(), "writer"});
    auto reader = Child::Start({"read-stream", address(), "reader"});
    ASSERT_TRUE(caller != nullptr && writer != nullptr && reader != nullptr);
    ASSERT_TRUE(server().AwaitArrivals("never", round));
    ASSERT_EQ(writer->Receive(), "streaming");
    ASSERT_EQ(reader->Receive(), "streaming");
    for (Child* client : {caller.get(), writer.get(), reader.get()}) client->Kill();
    EXPECT_TRUE(server().AwaitCancels("never", round)) << "the handler of a unary call";
    EXPECT_TRUE(server().AwaitCancels("writer", round)) << "one that reads";
    EXPECT_TRUE(server().AwaitCancels("reader", round)) << "one that writes";
  }
}

TEST_P(FaultTest, Row05_ClientStoppedWithAFullRing) {
  SIDECALL_FAULT_NEEDS(MayLeaveTheProcess(GetParam()), kOneProcess);
  Begin();
  auto hog = Child::Start({"hog", address()});
  ASSERT_NE(hog, nullptr);
  ASSERT_EQ(hog->Receive(), "there");
  ASSERT_TRUE(Stop(hog->pid()));
  // The handler writes until there is no room: the same count, many calls in a row.
  uint64_t written = 0;
  conformance::StreamRequest request;
  request.set_name("hog");
  for (int same = 0; same < 300; same++) {
    PatientContext context;
    conformance::StreamSummary summary;
    ASSERT_TRUE(good().Progress(&context, request, &summary).ok());
    if (summary.messages() != written) same = 0;
    written = summary.messages();
    ASSERT_LT(written, 20'000u) << "20 MB that nobody reads";
  }
  EXPECT_GT(written, 0u);
  for (int call = 0; call < 100; call++) EXPECT_TRUE(GoodCall());
  EXPECT_TRUE(Echo(NewStub(), 1).ok());
  hog->Kill();
}

// The child of a client has its sockets, too, and lives on.
TEST_P(FaultTest, Row07_ClientsChildInheritsTheConnection) {
  SIDECALL_FAULT_NEEDS(MayLeaveTheProcess(GetParam()), kOneProcess);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  Begin();
  for (int round = 1; round <= 3; round++) {
    auto client = Child::Start({"inherit", address(), "never"});
    ASSERT_NE(client, nullptr);
    const std::string heir = client->Receive();
    ASSERT_NE(heir, "");
    EXPECT_TRUE(server().AwaitArrivals("never", round));
    client->Kill();
    const bool noticed = server().AwaitCancels("never", round);
    const pid_t pid = std::stoi(heir);
    EXPECT_EQ(kill(pid, SIGKILL), 0) << "it lived all the while";
    client.reset();  // Whose child becomes this process's.
    waitpid(pid, nullptr, 0);
    ASSERT_TRUE(noticed) << "the client is dead, and its child has the socket";
  }
}

}  // namespace
}  // namespace fault
