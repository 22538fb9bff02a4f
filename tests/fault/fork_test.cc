// fork() and exec() beside connections.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "fault_fixture.h"

namespace fault {
namespace {

using conformance::HasCode;

TEST_P(FaultTest, Row08_ForkAfterConnectAndBothCall) {
  Begin();
  const TestService::Stub stub = NewStub();
  EXPECT_TRUE(Echo(stub, 1).ok());
  std::thread sleeper([&] { EXPECT_TRUE(Sleep(stub, "forked").ok()); });
  ASSERT_TRUE(server().AwaitArrivals("forked", 1));
  for (int round = 0; round < 5; round++) {
    const pid_t pid = fork();
    if (pid == 0) {
      alarm(static_cast<unsigned>(kPatience.count()));
      PatientContext context;
      EchoMessage reply;
      const absl::Status status = stub.Echo(&context, EchoMessage(), &reply);
      _exit(absl::IsFailedPrecondition(status) && sidecall::IsNotSent(status) ? 0 : 1);
    }
    for (int call = 0; call < 20; call++) EXPECT_TRUE(Echo(stub, call).ok()) << "the parent, meanwhile";
    int ended = -1;
    waitpid(pid, &ended, 0);
    EXPECT_EQ(ended, 0) << "the child is told FAILED_PRECONDITION, not sent";
  }
  server().OpenGate("forked");
  sleeper.join();
}

TEST_P(FaultTest, Row09_ForkAndExecFromTheServer) {
  SIDECALL_FAULT_NEEDS(InTwoProcesses(GetParam()), "the test's process has descriptors of its own");
  Begin();
  const TestService::Stub stub = NewStub();
  EXPECT_TRUE(Echo(stub, 1).ok());
  std::thread sleeper([&] { EXPECT_TRUE(Sleep(stub, "executed").ok()); });
  EXPECT_TRUE(server().AwaitArrivals("executed", 1));
  EXPECT_EQ(server().Ask("inherited"), "the same") << "descriptors that another program inherits";
  server().OpenGate("executed");
  sleeper.join();
}

}  // namespace
}  // namespace fault
