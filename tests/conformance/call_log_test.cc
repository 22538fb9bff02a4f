// What arrives at a log sink: servers and connections that come and go, and peers that break the protocol.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "call_fixture.h"
#include "call_raw_peer.h"

namespace conformance {
namespace {

using sidecall::LogLevel;
using testing::AllOf;
using testing::HasSubstr;

// Collects lines, "level: message", and waits for them.
class CollectedLog {
 public:
  CollectedLog() {
    sidecall::SetMinLogLevel(LogLevel::kDebug);
    sidecall::SetLogSink([lines = lines_](LogLevel level, std::string_view message) {
      const std::lock_guard lock(lines->mutex);
      lines->all.push_back(std::string(sidecall::LogLevelName(level)) + ": " + std::string(message));
      lines->changed.notify_all();
    });
  }
  ~CollectedLog() {
    sidecall::SetLogSink(nullptr);
    sidecall::SetMinLogLevel(LogLevel::kWarning);
  }
  CollectedLog(const CollectedLog&) = delete;
  CollectedLog& operator=(const CollectedLog&) = delete;

  // A line that matches comes, or has come.
  testing::AssertionResult Says(const testing::Matcher<std::string>& matcher) const {
    std::unique_lock lock(lines_->mutex);
    const auto there = [&] {
      return std::any_of(lines_->all.begin(), lines_->all.end(),
                         [&](const std::string& line) { return matcher.Matches(line); });
    };
    if (lines_->changed.wait_for(lock, kPatience, there)) return testing::AssertionSuccess();
    testing::AssertionResult failure = testing::AssertionFailure();
    failure << "no such line among these:";
    for (const std::string& line : lines_->all) failure << "\n  " << line;
    return failure;
  }

 private:
  struct Lines {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::string> all;
  };
  const std::shared_ptr<Lines> lines_ = std::make_shared<Lines>();
};

class LogTest : public CallTest {};
SIDECALL_OVER_TRANSPORTS_WHERE(LogTest, InOneProcess);

TEST_P(LogTest, ComingAndGoing) {
  const CollectedLog log;
  StartServer();
  EXPECT_TRUE(log.Says("info: a server listens at " + address()));
  {
    const auto channel = NewChannel();
    EXPECT_TRUE(Echoes(TestService::Stub(channel), 1));
    EXPECT_TRUE(log.Says(AllOf(HasSubstr("debug: connection "), HasSubstr(" accepted: "))));
    EXPECT_TRUE(log.Says(HasSubstr("debug: channel to " + NewChannel()->target() + ": connected to ")));
  }
  EXPECT_TRUE(log.Says(AllOf(HasSubstr("debug: connection "), HasSubstr(" ended: "), HasSubstr("hung up"))));
  const auto channel = NewChannel();
  EXPECT_TRUE(Echoes(TestService::Stub(channel), 2));
  StopServer();
  EXPECT_TRUE(log.Says("info: the server at " + address() + " shuts down: no new calls"));
  EXPECT_TRUE(log.Says("info: the server at " + address() + " has shut down"));
  EXPECT_FALSE(Echoes(TestService::Stub(channel), 3));
  EXPECT_TRUE(
      log.Says(HasSubstr("debug: channel to " + NewChannel()->target() + ": not connected: UNAVAILABLE")));
}

TEST_P(LogTest, GraceHasPassed) {
  const CollectedLog log;
  StartServer();
  const TestService::Stub stub = NewStub();
  std::thread caller([&] { EXPECT_FALSE(CallSleep(stub, "gate").ok()); });
  EXPECT_TRUE(server().AwaitArrivals("gate", 1));
  StopServer();
  caller.join();
  EXPECT_TRUE(log.Says("info: the server at " + address() +
                       " cancels the calls that are open: their grace has passed"));
}

TEST(LogOfViolationsTest, ArrivesAtTheSink) {
  const CollectedLog log;
  const TempDir directory;
  const std::string path = directory.path() + "/server";
  auto server = ServerUnderTest::Start(Place::kSameProcess, {"unix:" + path}, {});
  ASSERT_TRUE(server.ok()) << server.status();
  RawPeer peer(path);
  ASSERT_TRUE(peer.SayHello());
  peer.SendBytes(std::string(1000, '\xff'));
  EXPECT_TRUE(peer.HangsUp());
  EXPECT_TRUE(log.Says(AllOf(HasSubstr("warning: connection "), HasSubstr(" was closed: DATA_LOSS"))));
}

}  // namespace
}  // namespace conformance
