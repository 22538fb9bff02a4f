// Message queues: none left, full, somebody else's, and the signals that tell of their messages.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <mqueue.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "as_nobody.h"
#include "fault_fixture.h"
#include "process_figures.h"
#include "transport/unique_fd.h"
#include "transports/mqueue/message_queue.h"

namespace fault {
namespace {

using conformance::HasCode;
using conformance::Says;
using sidecall::UniqueFd;

#define SIDECALL_FAULT_NEEDS_QUEUES() \
  SIDECALL_FAULT_NEEDS(GetParam().scheme == "mqueue", "it has no message queues")

// A process's limit of a resource, as long as this lives.
class LimitWhile {
 public:
  LimitWhile(pid_t pid, __rlimit_resource resource, rlim_t limit) : pid_(pid), resource_(resource) {
    prlimit(pid_, resource_, nullptr, &before_);
    const rlimit lower{.rlim_cur = limit, .rlim_max = before_.rlim_max};
    EXPECT_EQ(prlimit(pid_, resource_, &lower, nullptr), 0) << strerror(errno);
  }
  ~LimitWhile() { prlimit(pid_, resource_, &before_, nullptr); }
  LimitWhile(const LimitWhile&) = delete;
  LimitWhile& operator=(const LimitWhile&) = delete;

 private:
  const pid_t pid_;
  const __rlimit_resource resource_;
  rlimit before_{};
};

// Who finds none left says so, with the mend; those who have theirs go on.
TEST_P(FaultTest, Row33_NoQueueLeftToTheUser) {
  SIDECALL_FAULT_NEEDS_QUEUES();
  Begin();
  const auto channel = sidecall::CreateChannel(address());
  const TestService::Stub waiting(channel);
  std::future<absl::Status> waited;
  {
    const LimitWhile none(getpid(), RLIMIT_MSGQUEUE, 0);
    waited = std::async(std::launch::async, [&waiting] {
      PatientContext context;
      context.set_wait_for_ready(true);
      EchoMessage reply;
      return waiting.Echo(&context, EchoMessage(), &reply);
    });
    sidecall::ChannelState state = channel->GetState(false);
    while (state != sidecall::ChannelState::kTransientFailure) {
      ASSERT_TRUE(channel->WaitForStateChange(state, absl::Now() + absl::FromChrono(conformance::kPatience)));
      state = channel->GetState(false);
    }
    const absl::Status status = Echo(NewStub(), 1);
    EXPECT_TRUE(HasCode(status, absl::StatusCode::kResourceExhausted));
    EXPECT_TRUE(Says(status, "ulimit -q"));
    EXPECT_TRUE(sidecall::IsNotSent(status)) << "another transport may be tried";
    EXPECT_TRUE(GoodCall());
    const auto second =
        conformance::ServerUnderTest::Start(conformance::Place::kSameProcess, {address() + "-second"}, {});
    EXPECT_TRUE(HasCode(second.status(), absl::StatusCode::kResourceExhausted));
    EXPECT_TRUE(Says(second.status(), "ulimit -q"));
  }
  EXPECT_TRUE(Echo(NewStub(), 2).ok());
  const absl::Status there_are = waited.get();
  EXPECT_TRUE(there_are.ok()) << "a call that waits does so for queues as well: " << there_are;
}

// With the kernel's default limit: the client that is one too many is told, and
// when another has gone there is room.
TEST_P(FaultTest, Row33_ClientsUntilNoneIsLeft) {
  SIDECALL_FAULT_NEEDS_QUEUES();
  constexpr rlim_t kDefault = 819'200;
  Begin();
  const LimitWhile by_default(getpid(), RLIMIT_MSGQUEUE, kDefault);
  std::vector<TestService::Stub> served;
  absl::Status status;
  while (status.ok() && served.size() < 10) {
    TestService::Stub stub(sidecall::CreateChannel(address()));
    status = Echo(stub, 1);
    if (status.ok()) served.push_back(std::move(stub));
  }
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kResourceExhausted));
  EXPECT_TRUE(Says(status, "ulimit -q"));
  ASSERT_GE(served.size(), 2u);
  for (const TestService::Stub& stub : served) EXPECT_TRUE(Echo(stub, 2).ok());
  EXPECT_TRUE(GoodCall());
  served.pop_back();
  // The queues are free when the server has closed them, too.
  const absl::Time limit = absl::Now() + absl::FromChrono(kPatience);
  do {
    status = Echo(TestService::Stub(sidecall::CreateChannel(address())), 3);
  } while (absl::IsResourceExhausted(status) && absl::Now() < limit);
  EXPECT_TRUE(status.ok()) << status;
}

TEST_P(FaultTest, Row33_NoQueueLeftInTheSystem) {
  SIDECALL_FAULT_NEEDS_QUEUES();
  Begin();
  std::vector<UniqueFd> all;
  mq_attr smallest{};
  smallest.mq_maxmsg = smallest.mq_msgsize = 1;
  int error = 0;
  while (error == 0 && all.size() < 1000) {
    const std::string name = "/sidecall-test-" + std::to_string(getpid());
    UniqueFd queue(mq_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &smallest));
    error = queue.valid() ? 0 : errno;
    if (queue.valid()) mq_unlink(name.c_str());
    if (queue.valid()) all.push_back(std::move(queue));
  }
  SIDECALL_FAULT_NEEDS(error != 0, "this user may have more queues than fs.mqueue.queues_max");
  ASSERT_EQ(error, ENOSPC) << strerror(error) << " after " << all.size();
  const absl::Status status = Echo(NewStub(), 1);
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kResourceExhausted));
  EXPECT_TRUE(Says(status, "fs.mqueue.queues_max"));
  EXPECT_TRUE(GoodCall());
}

TEST_P(FaultTest, Row34_QueueFull) {
  SIDECALL_FAULT_NEEDS_QUEUES();
  Begin();
  const TestService::Stub stub(sidecall::CreateChannel(address()));
  ASSERT_TRUE(Echo(stub, 1).ok());
  const uint64_t memory = MemoryOf(getpid(), "RssAnon");
  ASSERT_TRUE(Stop(server_pid()));
  const absl::Status status = Call([&] {
    sidecall::ClientContext context;
    context.set_timeout(absl::Milliseconds(300));
    const auto stream = stub.BidirectionalStream(&context);
    EchoMessage message;
    message.set_payload(std::string(64u << 10, 'x'));
    int written = 0;
    while (written < 10'000 && stream->Write(message)) written++;
    EXPECT_LT(written, 1000) << "nobody reads, and it is taken all the same";
    return stream->Finish();
  });
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kDeadlineExceeded));
  EXPECT_LT(MemoryOf(getpid(), "RssAnon"), memory + (uint64_t{64} << 20));
  kill(server_pid(), SIGCONT);
  EXPECT_TRUE(Echo(stub, 2).ok());
}

TEST_P(FaultTest, Row34_MessagesLargerThanASlot) {
  SIDECALL_FAULT_NEEDS_QUEUES();
  Begin();
  for (const char* options : {"?messages=1&message_bytes=1024", "?messages=2&message_bytes=4096", ""}) {
    const TestService::Stub stub(sidecall::CreateChannel(address() + options));
    for (const size_t size : {900, 1000, 1024, 8192, 300'000}) {
      EXPECT_TRUE(conformance::EchoesPayload(stub, size, size)) << options;
    }
  }
}

// Sends what asks for nothing as fast as it can, while it lives.
class QueueFlood {
 public:
  explicit QueueFlood(const std::string& name)
      : queue_(*sidecall::MessageQueue::Open(name, O_WRONLY)), sender_([this] {
          for (size_t size = 0; !over_.load(); size = 1 - size) (void)queue_.Send("x", size, 0);
        }) {}
  ~QueueFlood() {
    over_.store(true);
    sender_.join();
  }
  QueueFlood(const QueueFlood&) = delete;
  QueueFlood& operator=(const QueueFlood&) = delete;

 private:
  const sidecall::MessageQueue queue_;
  std::atomic<bool> over_{false};
  std::thread sender_;
};

TEST_P(FaultTest, Row34_FloodedListeningQueue) {
  SIDECALL_FAULT_NEEDS_QUEUES();
  Begin();
  const std::string name = address().substr(address().find('/'));
  {
    const QueueFlood flood(name);
    for (int call = 0; call < 20; call++) EXPECT_TRUE(Echo(good(), call).ok()) << "it is served no more";
  }
  EXPECT_TRUE(Echo(NewStub(), 30).ok());
  auto server = conformance::ServerUnderTest::Start(conformance::Place::kSameProcess,
                                                    {"mqueue:" + name + "-short"}, {});
  ASSERT_TRUE(server.ok()) << server.status();
  const QueueFlood flood(name + "-short");
  server->reset();
}

TEST_P(FaultTest, Row35_QueueOfAnotherUser) {
  SIDECALL_FAULT_NEEDS_QUEUES();
  SIDECALL_FAULT_NEEDS(geteuid() == 0, "only root can be another user as well");
  Begin();
  const std::string squatted = address() + "-squatted";
  const std::string name = squatted.substr(squatted.find('/'));
  ASSERT_TRUE(AsNobody([&] {
    umask(0);
    mq_attr small{};
    small.mq_maxmsg = 1;
    small.mq_msgsize = 128;
    return mq_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0666, &small) >= 0;
  }));
  const auto server = conformance::ServerUnderTest::Start(conformance::Place::kSameProcess, {squatted}, {});
  EXPECT_TRUE(HasCode(server.status(), absl::StatusCode::kPermissionDenied));
  EXPECT_TRUE(Says(server.status(), "uid 65534"));
  const absl::Status status = Echo(TestService::Stub(sidecall::CreateChannel(squatted)), 1);
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kPermissionDenied));
  EXPECT_EQ(mq_unlink(name.c_str()), 0) << "it was somebody else's to remove";
}

// -- Signals ------------------------------------------------------------------------------------------------

sidecall::ChannelOptions Sleeping() {
  sidecall::ChannelOptions options;
  options.polling = sidecall::Polling::kOff;
  return options;
}

TEST_P(FaultTest, Row40_SignalsOfManyMessages) {
  SIDECALL_FAULT_NEEDS_QUEUES();
  SetAddressOptions("?wakeup=signal");
  Begin();
  const TestService::Stub stub(sidecall::CreateChannel(address(), Sleeping()));
  std::vector<std::thread> threads;
  const int calls = Scaled(300);
  for (int thread = 0; thread < 3; thread++) {
    threads.emplace_back([&, thread] {
      for (int call = 0; call < calls; call++) {
        const absl::Status status = Echo(stub, thread * 1'000'000 + call);
        EXPECT_TRUE(status.ok()) << status;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Handlers().entered(), static_cast<uint64_t>(3 * calls)) << "none lost, none doubled";
}

// No signal can be queued: of each the kernel tells nobody, not even that it is lost.
TEST_P(FaultTest, Row40_SignalQueueFull) {
  SIDECALL_FAULT_NEEDS_QUEUES();
  SetAddressOptions("?wakeup=signal");
  Begin();
  const TestService::Stub stub(sidecall::CreateChannel(address(), Sleeping()));
  const LimitWhile server(server_pid(), RLIMIT_SIGPENDING, 0);
  const LimitWhile client(getpid(), RLIMIT_SIGPENDING, 0);
  sigval value{};
  value.sival_int = -1;
  EXPECT_TRUE(sigqueue(getpid(), SIGRTMAX, value) != 0 && errno == EAGAIN) << "signals are still queued";
  for (int call = 0; call < 20; call++) {
    const absl::Status status = Echo(stub, call);
    EXPECT_TRUE(status.ok()) << status;
  }
}

}  // namespace
}  // namespace fault
