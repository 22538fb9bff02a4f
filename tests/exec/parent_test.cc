// A child that calls its parent, and what either does when the other ends.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <vector>

#include "exec_calls.h"
#include "sidecall/child_address.h"
#include "sidecall/log.h"

namespace exec_test {
namespace {

using sidecall::ChildAddress;
using sidecall::UniqueFd;
using testing::HasSubstr;

class ParentService final : public Plugin::Service {
 public:
  absl::Status Echo(sidecall::ServerContext* context, const Message* request, Message* reply) override {
    const std::lock_guard lock(mutex_);
    callers_.push_back(static_cast<pid_t>(request->number()));
    EXPECT_EQ(context->peer().pid, request->number());
    EXPECT_EQ(context->peer().uid, geteuid());
    changed_.notify_all();
    *reply = *request;
    reply->set_number(0);
    return absl::OkStatus();
  }
  pid_t AwaitCaller(size_t which) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kPatience, [&] { return callers_.size() > which; });
    return callers_.size() > which ? callers_[which] : -1;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<pid_t> callers_;
};

TEST(ExecTest, ParentServesAndStartsItsClientAnew) {
  ParentService service;
  auto server = ServeAt(ChildAddress(Program(), RoleArguments("call")), service);
  ASSERT_TRUE(server.ok()) << server.status();
  const pid_t first = service.AwaitCaller(0);
  ASSERT_GT(first, 0);
  ASSERT_EQ(kill(first, SIGKILL), 0);
  const pid_t second = service.AwaitCaller(1);
  ASSERT_GT(second, 0);
  EXPECT_NE(second, first);
  EXPECT_TRUE(AwaitReaped(first));
  server->reset();
  EXPECT_TRUE(AwaitReaped(second)) << "its parent hung up";
}

TEST(ExecTest, ServersClientThatCannotBeStarted) {
  ParentService service;
  const auto server = ServeAt(ChildAddress("/nonexistent/plugin"), service);
  EXPECT_TRUE(absl::IsInvalidArgument(server.status())) << server.status();
}

// What a server says of its client while this lives.
class Sayings {
 public:
  Sayings() {
    sidecall::SetLogSink([this](sidecall::LogLevel, std::string_view message) {
      const std::lock_guard lock(mutex_);
      said_ += std::string(message) + "\n";
      changed_.notify_all();
    });
  }
  ~Sayings() { sidecall::SetLogSink(nullptr); }
  Sayings(const Sayings&) = delete;
  Sayings& operator=(const Sayings&) = delete;
  // All of it, once `words` are in it, or after kPatience.
  std::string Await(const std::string& words) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kPatience, [&] { return said_.find(words) != std::string::npos; });
    return said_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string said_;
};

TEST(ExecTest, ServersClientThatDoesNotGreetIsToldOf) {
  ParentService service;
  Sayings sayings;
  auto server = ServeAt(ChildAddress(Program(), RoleArguments("silent")), service);
  ASSERT_TRUE(server.ok()) << server.status();
  const std::string said = sayings.Await("does not greet");
  EXPECT_THAT(said, HasSubstr("does not greet"));
  const size_t pid = said.find("(pid ");
  ASSERT_NE(pid, std::string::npos) << said;
  server->reset();
  EXPECT_TRUE(AwaitReaped(std::atoi(said.c_str() + pid + 5)));
}

TEST(ExecTest, ServersClientThatDiesWithoutClosingItsPipesIsStartedAnew) {
  ParentService service;
  const std::string file = testing::TempDir() + "/orphan-" + std::to_string(getpid());
  auto server = ServeAt(ChildAddress(Program(), RoleArguments("orphan", file)), service);
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_GT(service.AwaitCaller(0), 0);
  std::filesystem::remove(file);
}

TEST(ExecTest, ServersClientThatClosesItsPipesIsEnded) {
  ParentService service;
  Sayings sayings;
  auto server = ServeAt(ChildAddress(Program(), RoleArguments("closed")), service);
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_THAT(sayings.Await("before it greeted"), HasSubstr("was killed by signal"));
}

// The pipes connect once. What has their numbers later is not the connection's.
TEST(ExecTest, ChildWhoseParentHasHungUpTouchesNothingElse) {
  ParentService service;
  const std::string file = testing::TempDir() + "/once-more-" + std::to_string(getpid());
  auto server = ServeAt(ChildAddress(Program(), RoleArguments("call once more", file)), service);
  ASSERT_TRUE(server.ok()) << server.status();
  const pid_t pid = service.AwaitCaller(0);
  ASSERT_GT(pid, 0);
  const Process process(pid);
  server->reset();
  EXPECT_TRUE(process.AwaitEnd());
  std::string said;
  std::getline(std::ifstream(file), said);
  EXPECT_EQ(said, "UNAVAILABLE UNAVAILABLE open");
  std::filesystem::remove(file);
}

// `host` is a process that has a child: starts it, and gives that child's pid. What it may have forked lives
// as long as `lives`.
pid_t StartHost(const std::string& dies_with_parent, pid_t& host, UniqueFd& lives) {
  std::array<int, 2> ends{};
  EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  const UniqueFd out(ends[0]);
  UniqueFd in(ends[1]);
  const std::string program = Program();
  EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  const UniqueFd input(ends[0]);
  lives = UniqueFd(ends[1]);
  host = fork();
  if (host == 0) {
    dup2(input.get(), STDIN_FILENO);
    dup2(in.get(), STDOUT_FILENO);
    execl(program.c_str(), program.c_str(), "--role", "host", dies_with_parent.c_str(), nullptr);
    _exit(127);
  }
  in = UniqueFd();
  std::array<char, 32> said{};
  const ssize_t size = read(out.get(), said.data(), said.size() - 1);
  return size > 0 ? std::atoi(said.data()) : -1;
}

TEST(ExecTest, KilledParentTakesItsChildAlong) {
  for (const char* dies : {"yes", "no", "held"}) {
    pid_t host = 0;
    UniqueFd lives;
    const pid_t child = StartHost(dies, host, lives);
    ASSERT_GT(child, 0);
    const Process process(child);
    EXPECT_EQ(kill(host, SIGKILL), 0);
    EXPECT_TRUE(process.AwaitEnd()) << "dies_with_parent " << dies;
    waitpid(host, nullptr, 0);
  }
}

}  // namespace
}  // namespace exec_test
