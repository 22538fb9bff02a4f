// FIFOs: somebody else's, without a reader, broken under a write, and small.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <memory>
#include <string>
#include <thread>

#include "as_nobody.h"
#include "call_child.h"
#include "fault_fixture.h"
#include "process_figures.h"

namespace fault {
namespace {

using conformance::HasCode;
using conformance::Says;

#define SIDECALL_FAULT_NEEDS_FIFOS() SIDECALL_FAULT_NEEDS(GetParam().scheme == "pipe", "it has no FIFOs")

TEST_P(FaultTest, Row35_FifoOfAnotherUser) {
  SIDECALL_FAULT_NEEDS_FIFOS();
  SIDECALL_FAULT_NEEDS(geteuid() == 0, "only root can be another user as well");
  Begin();
  ASSERT_EQ(chmod(directory().path().c_str(), 01777), 0);
  const std::string path = directory().path() + "/squatted";
  const std::string squatted = "pipe:" + path;
  ASSERT_TRUE(AsNobody([&] {
    umask(0);
    return mkfifo(path.c_str(), 0666) == 0;
  }));
  const auto server = conformance::ServerUnderTest::Start(conformance::Place::kSameProcess, {squatted}, {});
  EXPECT_TRUE(HasCode(server.status(), absl::StatusCode::kPermissionDenied));
  EXPECT_TRUE(Says(server.status(), "uid 65534"));
  const absl::Status status = Echo(TestService::Stub(sidecall::CreateChannel(squatted)), 1);
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kPermissionDenied));
  EXPECT_TRUE(Says(status, "uid 65534"));
  EXPECT_EQ(unlink(path.c_str()), 0) << "it was somebody else's to remove";
}

TEST_P(FaultTest, Row41_NoReader) {
  SIDECALL_FAULT_NEEDS_FIFOS();
  Begin();
  const std::string path = directory().path() + "/nobody";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const absl::Status status = Echo(TestService::Stub(sidecall::CreateChannel("pipe:" + path)), 1);
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kUnavailable));
  EXPECT_TRUE(sidecall::IsNotSent(status));
  EXPECT_EQ(unlink(path.c_str()), 0);
}

// The server's end goes while the client writes, whose SIGPIPE would kill it.
TEST_P(FaultTest, Row41_BrokenUnderAWrite) {
  SIDECALL_FAULT_NEEDS_FIFOS();
  Begin();
  struct sigaction deadly {};
  deadly.sa_handler = SIG_DFL;
  struct sigaction before {};
  sigaction(SIGPIPE, &deadly, &before);
  for (int round = 0; round < 5; round++) {
    const TestService::Stub stub = NewStub();
    ASSERT_TRUE(Echo(stub, 1).ok());
    ASSERT_TRUE(Stop(server_pid()));
    absl::Status status;
    std::thread caller([&] {
      status = Call([&] {
        PatientContext context;
        const auto stream = stub.BidirectionalStream(&context);
        EchoMessage message;
        message.set_payload(std::string(256u << 10, 'x'));
        while (stream->Write(message)) continue;
        return stream->Finish();
      });
    });
    server().Kill();
    caller.join();
    EXPECT_TRUE(HasCode(status, absl::StatusCode::kUnavailable));
    BeginAnew();
  }
  sigaction(SIGPIPE, &before, nullptr);
}

// A user who has as much in pipes as he may gets them small, and no larger.
TEST_P(FaultTest, Row42_PipePageQuota) {
  SIDECALL_FAULT_NEEDS_FIFOS();
  SIDECALL_FAULT_NEEDS(geteuid() == 0, "only root can be another user as well");
  Begin();
  const std::string own = directory().path() + "/nobodys";
  ASSERT_EQ(chmod(directory().path().c_str(), 0755), 0);
  ASSERT_EQ(mkdir(own.c_str(), 0700), 0);
  ASSERT_EQ(chown(own.c_str(), kNobody, kNobody), 0);
  {
    const auto user = conformance::Child::Start({"small-pipes", "pipe:" + own + "/server"});
    ASSERT_NE(user, nullptr);
    EXPECT_EQ(user->Receive(), "echoed through small pipes");
  }
  EXPECT_EQ(rmdir(own.c_str()), 0) << "something was left there";
}

}  // namespace
}  // namespace fault
