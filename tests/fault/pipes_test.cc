// FIFOs: somebody else's, without a reader, broken under a write, and small.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <mqueue.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <csignal>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "as_nobody.h"
#include "call_child.h"
#include "fault_fixture.h"
#include "process_figures.h"
#include "transport/address.h"
#include "transport/unique_fd.h"
#include "transports/mqueue/queue_names.h"
#include "transports/pipe/fifo_names.h"

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

// As root, for whom nothing is in the way, it would show nothing.
TEST_P(FaultTest, Row35_NamesOfAConnectionTakenByAnotherUser) {
  SIDECALL_FAULT_NEEDS(GetParam().scheme == "pipe" || GetParam().scheme == "mqueue", "it meets by no names");
  SIDECALL_FAULT_NEEDS(geteuid() == 0, "only root can be another user as well");
  Begin();
  ASSERT_EQ(chmod(directory().path().c_str(), 01777), 0);
  const std::string squatted = address() + "-squatted";
  const auto user = conformance::Child::Start({"beside-squatter", squatted});
  ASSERT_NE(user, nullptr);
  const std::string name = user->Receive();
  EXPECT_EQ(user->Receive(), "echoed");
  const auto parsed = sidecall::Address::Parse(squatted);
  if (GetParam().scheme == "pipe") {
    EXPECT_EQ(unlink(sidecall::ToClient(parsed->rest, name).c_str()), 0) << "it was root's to remove";
  } else {
    const auto names = sidecall::QueueNames::Of(*parsed);
    EXPECT_EQ(mq_unlink(names->ToClient(name).c_str()), 0) << "it was root's to remove";
  }
}

// Writes to the rendezvous as fast as it can, while it lives.
class Flood {
 public:
  Flood(const std::string& path, std::string_view bytes)
      : fifo_(open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC)), writer_([this, bytes] {
          while (!over_.load()) (void)!write(fifo_.get(), bytes.data(), bytes.size());
        }) {}
  ~Flood() {
    over_.store(true);
    writer_.join();
  }
  Flood(const Flood&) = delete;
  Flood& operator=(const Flood&) = delete;

 private:
  const sidecall::UniqueFd fifo_;
  std::atomic<bool> over_{false};
  std::thread writer_;
};

// The next who asks is heard, whatever stands in the FIFO before its request.
TEST_P(FaultTest, Row41_WhatIsNoRequest) {
  SIDECALL_FAULT_NEEDS_FIFOS();
  Begin();
  const sidecall::UniqueFd rendezvous(open(socket().c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  ASSERT_TRUE(rendezvous.valid());
  int64_t number = 0;
  for (const std::string& bytes : {std::string("x"), std::string("\n\n"), std::string("sidecall-pipe 1 "),
                                   std::string("sidecall-pipe 1 1-1"), std::string(PIPE_BUF, 'x'),
                                   std::string(20'000, 'x'), std::string(20'000, 'x') + "\nx"}) {
    ASSERT_EQ(write(rendezvous.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    EXPECT_TRUE(Echo(NewStub(), ++number).ok()) << bytes.substr(0, 20);
  }
}

TEST_P(FaultTest, Row41_FloodedRendezvous) {
  SIDECALL_FAULT_NEEDS_FIFOS();
  Begin();
  const std::string long_line(PIPE_BUF, 'x');
  for (const std::string_view bytes : {std::string_view(long_line), std::string_view("x\n")}) {
    {
      const Flood flood(socket(), bytes);
      for (int call = 0; call < 20; call++) EXPECT_TRUE(Echo(good(), call).ok()) << "it is served no more";
    }
    EXPECT_TRUE(Echo(NewStub(), 30).ok());
    const std::string path = directory().path() + "/short";
    auto server = conformance::ServerUnderTest::Start(conformance::Place::kSameProcess, {"pipe:" + path}, {});
    ASSERT_TRUE(server.ok()) << server.status();
    const Flood flood(path, bytes);
    server->reset();
  }
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
    EXPECT_EQ(user->Receive(), "echoed");
  }
  EXPECT_EQ(rmdir(own.c_str()), 0) << "something was left there";
}

}  // namespace
}  // namespace fault
