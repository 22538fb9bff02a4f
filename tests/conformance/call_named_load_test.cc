// Servers that die, leave and come back under the load of clients that know them by name.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "call_named_fixture.h"

namespace conformance {
namespace {

// Threads that call without pause, and the outcomes.
class Load {
 public:
  explicit Load(const std::string& target, int threads) {
    sidecall::ChannelOptions options;
    options.balancer = sidecall::RoundRobin;
    channel_ = sidecall::CreateChannel(target, options);
    for (int thread = 0; thread < threads; thread++) threads_.emplace_back([this] { Run(); });
  }
  ~Load() { Stop(); }

  void Stop() {
    stop_ = true;
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }
  // So many calls more have been answered by that process. False after kPatience.
  bool AwaitCallsOf(pid_t pid, int count) {
    waited_for_ = 0;
    waited_pid_ = pid;
    const auto limit = std::chrono::steady_clock::now() + kPatience;
    while (waited_for_ < count) {
      if (std::chrono::steady_clock::now() >= limit) return false;
      std::this_thread::yield();
    }
    return true;
  }
  int not_sent() const { return not_sent_; }
  int unknown() const { return unknown_; }
  int other() const { return other_; }

 private:
  void Run() {
    const TestService::Stub stub(channel_);
    while (!stop_) {
      PatientContext context;
      WhoReply reply;
      const absl::Status status = stub.WhoServes(&context, EmptyMessage(), &reply);
      if (status.ok()) {
        if (reply.pid() == waited_pid_) waited_for_++;
      } else if (!absl::IsUnavailable(status)) {
        other_++;
        ADD_FAILURE() << status;
      } else {
        (sidecall::IsNotSent(status) ? not_sent_ : unknown_)++;
      }
    }
  }

  std::shared_ptr<sidecall::Channel> channel_;
  std::atomic<bool> stop_{false};
  std::atomic<pid_t> waited_pid_{0};
  std::atomic<int> waited_for_{0};
  std::atomic<int> not_sent_{0};
  std::atomic<int> unknown_{0};
  std::atomic<int> other_{0};
  std::vector<std::thread> threads_;
};

class NamedLoadTest : public NamedTest {
 protected:
  static constexpr int kThreads = 4;
};

// No call fails but those in flight on the one that is killed, whose outcome is unknown; what was not sent
// goes to the other.
TEST_F(NamedLoadTest, OneOfTwoIsKilled) {
  auto stays = StartServer();
  auto killed = StartServer();
  Load load(kTarget, kThreads);
  std::vector<std::chrono::steady_clock::duration> back_after;
  for (int round = 0; round < Scaled(20); round++) {
    ASSERT_TRUE(load.AwaitCallsOf(killed->pid(), 10));
    const int before = load.unknown();
    killed->Kill();
    killed.reset();
    ASSERT_TRUE(load.AwaitCallsOf(stays->pid(), 100));
    EXPECT_LE(load.unknown() - before, kThreads) << "each thread has one call in flight";
    EXPECT_EQ(load.not_sent(), 0);
    killed = StartServer();
    ASSERT_NE(killed, nullptr);
    const auto restarted = std::chrono::steady_clock::now();
    ASSERT_TRUE(load.AwaitCallsOf(killed->pid(), 1)) << "restarted, it takes load again";
    back_after.push_back(std::chrono::steady_clock::now() - restarted);
  }
  // A figure for people: what it is depends on the machine.
  std::sort(back_after.begin(), back_after.end());
  const auto microseconds = [](auto time) {
    return static_cast<long>(std::chrono::duration_cast<std::chrono::microseconds>(time).count());
  };
  std::printf("restarted, it took load again after %ld us (median), %ld us (longest of %zu)\n",
              microseconds(back_after[back_after.size() / 2]), microseconds(back_after.back()),
              back_after.size());
}

TEST_F(NamedLoadTest, GracefulRestartOfEachInTurn) {
  std::vector<std::unique_ptr<ServerUnderTest>> servers;
  servers.push_back(StartServer());
  servers.push_back(StartServer());
  Load load(kTarget, kThreads);
  for (int round = 0; round < Scaled(20); round++) {
    auto& server = servers[static_cast<size_t>(round) % 2];
    ASSERT_TRUE(load.AwaitCallsOf(server->pid(), 10));
    ShutDown(*server);
    server.reset();
    server = StartServer();
    ASSERT_NE(server, nullptr);
    ASSERT_TRUE(load.AwaitCallsOf(server->pid(), 10));
  }
  load.Stop();
  EXPECT_EQ(load.not_sent(), 0);
  EXPECT_EQ(load.unknown(), 0);
}

// The next instance is there before the old one leaves: a service with one server is never without.
TEST_F(NamedLoadTest, TakenOverFromTheOnlyServer) {
  auto server = StartServer();
  Load load(kTarget, kThreads);
  for (int round = 0; round < Scaled(20); round++) {
    ASSERT_TRUE(load.AwaitCallsOf(server->pid(), 10));
    auto next = StartServer();
    ASSERT_NE(next, nullptr);
    ShutDown(*server);
    server = std::move(next);
  }
  load.Stop();
  EXPECT_EQ(load.not_sent() + load.unknown(), 0);
}

}  // namespace
}  // namespace conformance
