// Both event loops behave alike.
#include "transport/event_loop.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mqueue.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "transport/clock.h"
#include "transport/unique_fd.h"

namespace sidecall {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr int64_t kLong = 20'000'000'000;

void Ring(const UniqueFd& fd) {
  const uint64_t one = 1;
  ASSERT_EQ(write(fd.get(), &one, sizeof one), 8);
}

UniqueFd NewEventFd() {
  return UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

class EventLoopTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    auto made = GetParam() == "epoll" ? MakeEpollEventLoop() : MakeIoUringEventLoop();
    if (!made.ok() && GetParam() == "io_uring") {
      GTEST_SKIP() << "this kernel refuses io_uring: " << made.status();
    }
    ASSERT_TRUE(made.ok()) << made.status();
    loop_ = *std::move(made);
    EXPECT_EQ(loop_->name(), GetParam());
  }

  // Appends the tokens of what is reported.
  void Wait(int64_t deadline_nanos, std::vector<uint64_t>& ready) {
    std::vector<EventLoop::Ready> reports;
    loop_->Wait(deadline_nanos, reports);
    for (const EventLoop::Ready& report : reports) ready.push_back(report.token);
  }
  // Waits until something is reported, at most `kLong`.
  std::vector<uint64_t> Await() {
    std::vector<uint64_t> ready;
    const int64_t deadline = MonotonicNanos() + kLong;
    while (ready.empty() && MonotonicNanos() < deadline) Wait(deadline, ready);
    EXPECT_FALSE(ready.empty());
    return ready;
  }
  // What is there already.
  std::vector<uint64_t> Look() {
    std::vector<uint64_t> ready;
    Wait(0, ready);
    return ready;
  }
  // Whether the next report, which is to come, tells of the end.
  bool AwaitEnded() {
    std::vector<EventLoop::Ready> reports;
    const int64_t deadline = MonotonicNanos() + kLong;
    while (reports.empty() && MonotonicNanos() < deadline) loop_->Wait(deadline, reports);
    EXPECT_FALSE(reports.empty());
    return std::any_of(reports.begin(), reports.end(), [](const auto& report) { return report.ended; });
  }

  std::unique_ptr<EventLoop> loop_;
};

TEST_P(EventLoopTest, ReportsADescriptorThatBecomesReady) {
  UniqueFd fd = NewEventFd();
  ASSERT_TRUE(loop_->Add(fd.get(), POLLIN, 7).ok());
  EXPECT_THAT(Look(), IsEmpty());
  Ring(fd);
  EXPECT_THAT(Await(), ElementsAre(7));
}

TEST_P(EventLoopTest, ReportsADescriptorThatIsReadyAlready) {
  UniqueFd fd = NewEventFd();
  Ring(fd);
  ASSERT_TRUE(loop_->Add(fd.get(), POLLIN, 7).ok());
  EXPECT_THAT(Await(), ElementsAre(7));
}

TEST_P(EventLoopTest, IsEdgeTriggered) {
  UniqueFd fd = NewEventFd();
  ASSERT_TRUE(loop_->Add(fd.get(), POLLIN, 7).ok());
  Ring(fd);
  EXPECT_THAT(Await(), ElementsAre(7));
  EXPECT_THAT(Look(), IsEmpty()) << "nothing new, though it was not read";
  Ring(fd);
  EXPECT_THAT(Await(), ElementsAre(7)) << "another edge";
}

TEST_P(EventLoopTest, TellsDescriptorsApart) {
  std::array<UniqueFd, 100> fds;
  for (size_t i = 0; i < fds.size(); i++) {
    fds[i] = NewEventFd();
    ASSERT_TRUE(loop_->Add(fds[i].get(), POLLIN, i + 1).ok());
  }
  Ring(fds[0]);
  Ring(fds[63]);
  Ring(fds[99]);
  std::vector<uint64_t> ready;
  const int64_t deadline = MonotonicNanos() + kLong;
  while (ready.size() < 3 && MonotonicNanos() < deadline) Wait(deadline, ready);
  EXPECT_THAT(ready, UnorderedElementsAre(1, 64, 100));
}

TEST_P(EventLoopTest, ReportsMoreThanOneWaitTakes) {
  std::array<UniqueFd, 300> fds;
  for (size_t i = 0; i < fds.size(); i++) {
    fds[i] = NewEventFd();
    Ring(fds[i]);
    ASSERT_TRUE(loop_->Add(fds[i].get(), POLLIN, i + 1).ok());
  }
  std::vector<uint64_t> ready;
  const int64_t deadline = MonotonicNanos() + kLong;
  while (std::set(ready.begin(), ready.end()).size() < fds.size() && MonotonicNanos() < deadline) {
    Wait(deadline, ready);
  }
  std::sort(ready.begin(), ready.end());
  ready.erase(std::unique(ready.begin(), ready.end()), ready.end());
  ASSERT_EQ(ready.size(), fds.size());
  for (size_t i = 0; i < fds.size(); i++) EXPECT_EQ(ready[i], i + 1);
}

TEST_P(EventLoopTest, ModifyChangesWhatIsWaitedFor) {
  std::array<int, 2> sockets{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets.data()), 0);
  UniqueFd ours(sockets[0]);
  UniqueFd theirs(sockets[1]);
  ASSERT_TRUE(loop_->Add(ours.get(), POLLIN, 7).ok());
  EXPECT_THAT(Look(), IsEmpty()) << "writable, but nobody asked";
  ASSERT_TRUE(loop_->Modify(ours.get(), POLLIN | POLLOUT, 7).ok());
  EXPECT_THAT(Await(), ElementsAre(7)) << "writable";
  ASSERT_TRUE(loop_->Modify(ours.get(), POLLIN, 7).ok());
  EXPECT_THAT(Look(), IsEmpty());
  ASSERT_EQ(write(theirs.get(), "x", 1), 1);
  EXPECT_THAT(Await(), ElementsAre(7)) << "readable";
}

TEST_P(EventLoopTest, WritableAgainIsReported) {
  std::array<int, 2> sockets{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets.data()), 0);
  UniqueFd ours(sockets[0]);
  UniqueFd theirs(sockets[1]);
  std::string bytes(4096, 'x');
  while (write(ours.get(), bytes.data(), bytes.size()) > 0) {
  }
  ASSERT_EQ(errno, EAGAIN);
  ASSERT_TRUE(loop_->Add(ours.get(), POLLIN | POLLOUT, 7).ok());
  EXPECT_THAT(Look(), IsEmpty());
  while (read(theirs.get(), bytes.data(), bytes.size()) > 0) {
  }
  EXPECT_THAT(Await(), Each(7)) << "each read may have made it so";
}

TEST_P(EventLoopTest, EachReadOfThePeersIsReported) {
  std::array<int, 2> sockets{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets.data()), 0);
  UniqueFd ours(sockets[0]);
  UniqueFd theirs(sockets[1]);
  ASSERT_TRUE(loop_->Add(ours.get(), POLLIN | POLLOUT, 7).ok());
  EXPECT_THAT(Await(), ElementsAre(7)) << "there is room";
  for (int i = 0; i < 3; i++) {
    ASSERT_EQ(write(ours.get(), "x", 1), 1);
    EXPECT_THAT(Look(), IsEmpty());
    char byte = 0;
    ASSERT_EQ(read(theirs.get(), &byte, 1), 1);
    EXPECT_THAT(Await(), ElementsAre(7));
  }
}

TEST_P(EventLoopTest, HangUpIsReportedUnasked) {
  std::array<int, 2> sockets{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets.data()), 0);
  UniqueFd ours(sockets[0]);
  ASSERT_TRUE(loop_->Add(ours.get(), POLLOUT, 7).ok());
  EXPECT_THAT(Await(), ElementsAre(7)) << "writable";
  close(sockets[1]);
  EXPECT_THAT(Await(), testing::Contains(7));
}

TEST_P(EventLoopTest, TheEndIsToldFromBytes) {
  std::array<int, 2> sockets{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets.data()), 0);
  const UniqueFd our_socket(sockets[0]);
  UniqueFd their_socket(sockets[1]);
  std::array<int, 2> pipe{};
  ASSERT_EQ(pipe2(pipe.data(), O_CLOEXEC | O_NONBLOCK), 0);
  const UniqueFd our_pipe(pipe[0]);
  UniqueFd their_pipe(pipe[1]);
  uint64_t token = 1;
  for (const auto& [ours, theirs] :
       {std::pair(&our_socket, &their_socket), std::pair(&our_pipe, &their_pipe)}) {
    ASSERT_TRUE(loop_->Add(ours->get(), POLLIN, token++).ok());
    ASSERT_EQ(write(theirs->get(), "x", 1), 1);
    EXPECT_FALSE(AwaitEnded());
    ASSERT_EQ(write(theirs->get(), "x", 1), 1);
    *theirs = UniqueFd();
    EXPECT_TRUE(AwaitEnded()) << "bytes, and the end behind them";
  }
}

TEST_P(EventLoopTest, WhatNothingIsWantedOfIsSilent) {
  std::array<int, 2> sockets{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets.data()), 0);
  const UniqueFd ours(sockets[0]);
  ASSERT_TRUE(loop_->Add(ours.get(), 0, 7).ok());
  ASSERT_EQ(write(sockets[1], "x", 1), 1);
  EXPECT_THAT(Look(), IsEmpty());
  ASSERT_TRUE(loop_->Modify(ours.get(), POLLIN, 7).ok());
  EXPECT_THAT(Await(), ElementsAre(7)) << "readable since before";
  ASSERT_TRUE(loop_->Modify(ours.get(), 0, 7).ok());
  close(sockets[1]);
  EXPECT_THAT(Look(), IsEmpty());
  loop_->Remove(ours.get(), 7);
}

// A message queue wakes whoever watches it, whatever for.
TEST_P(EventLoopTest, WhatNothingIsWantedOfWakesNobody) {
  const std::string name = "/sidecall-event-loop-test-" + std::to_string(getpid());
  mq_attr attributes{};
  attributes.mq_maxmsg = 1;
  attributes.mq_msgsize = 1;
  const UniqueFd queue(
      mq_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK | O_CLOEXEC, mode_t{0600}, &attributes));
  ASSERT_TRUE(queue.valid()) << std::strerror(errno);
  mq_unlink(name.c_str());
  ASSERT_TRUE(loop_->Add(queue.get(), POLLIN, 7).ok());
  ASSERT_TRUE(loop_->Modify(queue.get(), 0, 7).ok());
  EXPECT_THAT(Look(), IsEmpty());
  std::atomic<int64_t> sleeps{-1};
  std::thread sleeper([&] {
    sleeps.store(0);
    pollfd item{.fd = loop_->descriptor(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(poll(&item, 1, static_cast<int>(kLong / 1'000'000)), 1);
    rusage usage{};
    getrusage(RUSAGE_THREAD, &usage);
    sleeps.store(usage.ru_nvcsw);
  });
  while (sleeps.load() < 0) std::this_thread::yield();
  char byte = 'x';
  for (int message = 0; message < 2000; message++) {
    EXPECT_EQ(mq_send(queue.get(), &byte, 1, 0), 0);
    EXPECT_EQ(mq_receive(queue.get(), &byte, 1, nullptr), 1);
    std::this_thread::yield();
  }
  loop_->Wake();
  sleeper.join();
  EXPECT_LT(sleeps.load(), 10);
}

TEST_P(EventLoopTest, RemovedDescriptorIsSilent) {
  UniqueFd fd = NewEventFd();
  UniqueFd other = NewEventFd();
  ASSERT_TRUE(loop_->Add(fd.get(), POLLIN, 7).ok());
  ASSERT_TRUE(loop_->Add(other.get(), POLLIN, 8).ok());
  loop_->Remove(fd.get(), 7);
  Ring(fd);
  Ring(other);
  EXPECT_THAT(Await(), ElementsAre(8));
  EXPECT_THAT(Look(), IsEmpty());
}

TEST_P(EventLoopTest, DescriptorMayBeAddedAgain) {
  UniqueFd fd = NewEventFd();
  for (int i = 0; i < 500; i++) {
    ASSERT_TRUE(loop_->Add(fd.get(), POLLIN, 7).ok()) << i;
    loop_->Remove(fd.get(), 7);
  }
  ASSERT_TRUE(loop_->Add(fd.get(), POLLIN, 9).ok());
  Ring(fd);
  EXPECT_THAT(Await(), Each(9));
}

TEST_P(EventLoopTest, WaitEndsAtItsDeadline) {
  std::vector<uint64_t> ready;
  const int64_t deadline = MonotonicNanos() + 30'000'000;
  while (MonotonicNanos() < deadline) Wait(deadline, ready);
  EXPECT_THAT(ready, IsEmpty());
  EXPECT_LT(MonotonicNanos(), deadline + kLong);
  Wait(MonotonicNanos() - 1, ready);  // A deadline that has passed.
  EXPECT_THAT(ready, IsEmpty());
}

TEST_P(EventLoopTest, WakeEndsAWaitThatSleeps) {
  for (int i = 0; i < 50; i++) {
    std::thread waker([&] { loop_->Wake(); });
    std::vector<uint64_t> ready;
    Wait(MonotonicNanos() + kLong, ready);  // The test's own timeout is the deadline.
    waker.join();
    EXPECT_THAT(ready, IsEmpty());
  }
}

TEST_P(EventLoopTest, WakeBeforeTheWaitCounts) {
  const int64_t began = MonotonicNanos();
  loop_->Wake();
  std::vector<uint64_t> ready;
  Wait(kInfiniteFutureNanos, ready);
  EXPECT_THAT(ready, IsEmpty());
  EXPECT_LT(MonotonicNanos() - began, kLong);
}

TEST_P(EventLoopTest, AddFromAnotherThreadReachesTheSleeper) {
  UniqueFd fd = NewEventFd();
  Ring(fd);
  std::thread adder([&] { ASSERT_TRUE(loop_->Add(fd.get(), POLLIN, 7).ok()); });
  EXPECT_THAT(Await(), Each(7));
  adder.join();
  // The thread that added it has gone, of which io_uring may make a report; it is still watched.
  Look();
  EXPECT_THAT(Look(), IsEmpty());
  Ring(fd);
  EXPECT_THAT(Await(), Each(7));
}

TEST_P(EventLoopTest, DescriptorIsReadableWhileThereIsSomethingToReport) {
  UniqueFd fd = NewEventFd();
  ASSERT_TRUE(loop_->Add(fd.get(), POLLIN, 7).ok());
  pollfd item{.fd = loop_->descriptor(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(poll(&item, 1, 0), 0);
  Ring(fd);
  ASSERT_EQ(poll(&item, 1, static_cast<int>(kLong / 1'000'000)), 1);
  EXPECT_THAT(Await(), ElementsAre(7));
}

INSTANTIATE_TEST_SUITE_P(Kinds, EventLoopTest, testing::Values("epoll", "io_uring"),
                         [](const testing::TestParamInfo<std::string>& info) { return info.param; });

TEST(EventLoop, EnvironmentChooses) {
  unsetenv("SIDECALL_EVENT_LOOP");
  EXPECT_EQ((*MakeEventLoop())->name(), "epoll");
  setenv("SIDECALL_EVENT_LOOP", "io_uring", 1);
  auto loop = MakeEventLoop();
  ASSERT_TRUE(loop.ok()) << "where io_uring is refused, epoll serves: " << loop.status();
  EXPECT_EQ((*loop)->name(), MakeIoUringEventLoop().ok() ? "io_uring" : "epoll");
  unsetenv("SIDECALL_EVENT_LOOP");
}

}  // namespace
}  // namespace sidecall
