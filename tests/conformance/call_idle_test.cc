// Nothing runs where nothing is called: ten seconds without a single context switch, on any thread, of any
// process. And who waits for an answer sleeps until it comes.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "call_child.h"
#include "call_fixture.h"
#include "sidecall/sidecall.h"
#include "transport/all_transports.h"

namespace conformance {
namespace {

using namespace std::chrono_literals;

// Context switches of each thread of `pids`, voluntary or not.
std::map<std::string, uint64_t> ContextSwitches(const std::vector<pid_t>& pids) {
  std::map<std::string, uint64_t> switches;
  for (const pid_t pid : pids) {
    for (const auto& task : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
      std::ifstream status(task.path() / "status");
      for (std::string line; std::getline(status, line);) {
        if (line.find("ctxt_switches:") == std::string::npos) continue;
        switches[task.path()] += std::stoull(line.substr(line.find(':') + 1));
      }
    }
  }
  return switches;
}

std::vector<std::string> Addresses(const TempDir& directory, bool two_processes) {
  std::vector<std::string> addresses;
  for (const Setup& setup : AllSetups()) {
    if ((setup.place == Place::kOtherProcess) != two_processes || !SharesAServer(setup)) continue;
    addresses.push_back(AddressAt(setup.scheme, directory.path() + "/" + setup.name) + setup.options);
  }
  return addresses;
}

class IdleTest : public testing::Test {
 protected:
  // Clients of one server, each over another transport; and processes that are client and server of
  // themselves.
  void SetUp() override {
#if defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "ThreadSanitizer has a thread of its own, which is never idle";
#endif
    const std::vector<std::string> addresses = Addresses(directory_, true);
    auto server = ServerUnderTest::Start(Place::kOtherProcess, addresses, {});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    pids_.push_back(server_->pid());
    for (const std::string& address : addresses) AddClient({"echo", address});
    for (const std::string& address : Addresses(directory_, false)) AddClient({"echo-self", address});
  }

  void AddClient(const std::vector<std::string>& arguments) {
    clients_.push_back(Child::Start(arguments));
    ASSERT_NE(clients_.back(), nullptr);
    pids_.push_back(clients_.back()->pid());
  }
  void CallAll() {
    for (const auto& client : clients_) {
      for (int call = 0; call < 200; call++)
        ASSERT_EQ(client->Ask(std::to_string(call)), std::to_string(call));
    }
  }
  // Threads that were made to help out, and polling, take a moment to end.
  bool BecomesQuiet() const {
    const auto limit = std::chrono::steady_clock::now() + 20s;
    auto before = ContextSwitches(pids_);
    while (std::chrono::steady_clock::now() < limit) {
      std::this_thread::sleep_for(1s);
      auto now = ContextSwitches(pids_);
      if (now == before) return true;
      before = std::move(now);
    }
    return false;
  }

  TempDir directory_;
  std::unique_ptr<ServerUnderTest> server_;
  std::vector<std::unique_ptr<Child>> clients_;
  std::vector<pid_t> pids_;
};

TEST_F(IdleTest, NoContextSwitchForTenSeconds) {
  CallAll();
  ASSERT_TRUE(BecomesQuiet());
  const auto before = ContextSwitches(pids_);
  ASSERT_GE(before.size(), pids_.size() * 2);
  std::this_thread::sleep_for(10s);
  EXPECT_EQ(ContextSwitches(pids_), before);
  CallAll();
  EXPECT_NE(ContextSwitches(pids_), before) << "calls are seen in what was counted";
}

class SlowService final : public TestService::Service {
  absl::Status Echo(sidecall::ServerContext* /*context*/, const EchoMessage* request,
                    EchoMessage* reply) override {
    std::this_thread::sleep_for(3ms);  // As long as work that takes longer than a wake-up.
    *reply = *request;
    return absl::OkStatus();
  }
};

uint64_t SleepsOfThisThread() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return static_cast<uint64_t>(usage.ru_nvcsw);
}

// A few times it may be woken when the server takes the request, and learn that this gains nothing.
TEST(SleepingCallTest, ASlowAnswerIsSleptForOnce) {
  constexpr int kCalls = 300;
  const TempDir directory;
  SlowService service;
  for (const std::string& address : Addresses(directory, false)) {
    auto server = sidecall::ServerBuilder().AddAddress(address).RegisterService(&service).BuildAndStart();
    ASSERT_TRUE(server.ok()) << server.status();
    sidecall::ChannelOptions options;
    options.polling = sidecall::Polling::kOff;
    const TestService::Stub stub(sidecall::CreateChannel(address, options));
    ASSERT_TRUE(Echoes(stub, 0));
    const uint64_t before = SleepsOfThisThread();
    for (int call = 1; call <= kCalls; call++) ASSERT_TRUE(Echoes(stub, call));
    const uint64_t sleeps = SleepsOfThisThread() - before;
    EXPECT_GE(sleeps, kCalls / 2) << address;
    EXPECT_LE(sleeps, kCalls * 5 / 4) << address;
  }
}

}  // namespace
}  // namespace conformance
