#include "sidecall/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "transport/logging.h"

namespace sidecall {
namespace {

class LogTest : public testing::Test {
 protected:
  void SetUp() override { SetMinLogLevel(LogLevel::kWarning); }
  void TearDown() override {
    SetLogSink(nullptr);
    SetMinLogLevel(LogLevel::kWarning);
  }
  void Collect() {
    SetLogSink([this](LogLevel level, std::string_view message) {
      const std::lock_guard lock(mutex_);
      lines_.push_back(std::string(LogLevelName(level)) + ": " + std::string(message));
    });
  }
  std::vector<std::string> lines() {
    const std::lock_guard lock(mutex_);
    return lines_;
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;
};

TEST_F(LogTest, OnlyWhatIsImportantEnough) {
  Collect();
  constexpr std::array kLevels = {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError};
  for (const LogLevel least : kLevels) {
    SetMinLogLevel(least);
    EXPECT_EQ(MinLogLevel(), least);
    for (const LogLevel level : kLevels) {
      EXPECT_EQ(LogEnabled(level), level >= least);
      Log(level, LogLevelName(least));
    }
  }
  EXPECT_THAT(lines(), testing::ElementsAre("debug: debug", "info: debug", "warning: debug", "error: debug",
                                            "info: info", "warning: info", "error: info", "warning: warning",
                                            "error: warning", "error: error"));
}

TEST_F(LogTest, Off) {
  Collect();
  SetMinLogLevel(LogLevel::kOff);
  EXPECT_FALSE(LogEnabled(LogLevel::kError));
  Log(LogLevel::kError, "nobody hears this");
  EXPECT_THAT(lines(), testing::IsEmpty());
}

TEST_F(LogTest, DefaultWritesToStderr) {
  SetLogSink(nullptr);
  testing::internal::CaptureStderr();
  Log(LogLevel::kWarning, "the peer left");
  Log(LogLevel::kInfo, "not this");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "sidecall: the peer left\n");
}

TEST_F(LogTest, SinkThatThrowsDoesNoHarm) {
  int calls = 0;
  SetLogSink([&calls](LogLevel, std::string_view) {
    calls++;
    throw std::runtime_error("the disk is full");
  });
  Log(LogLevel::kError, "one");
  Log(LogLevel::kError, "two");
  EXPECT_EQ(calls, 2);
}

TEST_F(LogTest, WhatIsLoggedInASinkGoesToStderr) {
  int calls = 0;
  SetLogSink([&calls](LogLevel level, std::string_view) {
    calls++;
    Log(level, "of the sink");
  });
  testing::internal::CaptureStderr();
  Log(LogLevel::kError, "one");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "sidecall: of the sink\n");
  EXPECT_EQ(calls, 1);
}

TEST_F(LogTest, SinkMayReplaceItself) {
  SetLogSink([](LogLevel, std::string_view) { SetLogSink([](LogLevel, std::string_view) {}); });
  Log(LogLevel::kError, "one");
  testing::internal::CaptureStderr();
  Log(LogLevel::kError, "two");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST_F(LogTest, ReplacedWhileManyThreadsLog) {
  constexpr int kThreads = 4;
  constexpr int kLines = 2000;
  const auto heard = std::make_shared<std::atomic<int>>(0);
  const auto count = [heard](LogLevel, std::string_view message) {
    if (message == "a line") heard->fetch_add(1);
  };
  SetLogSink(count);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; i++) {
    threads.emplace_back([] {
      for (int line = 0; line < kLines; line++) Log(LogLevel::kWarning, "a line");
    });
  }
  for (int i = 0; i < 1000; i++) SetLogSink(count);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(heard->load(), kThreads * kLines);
}

// In a process of its own: the environment counts until a level is set.
void SayLevel(const char* environment) {
  internal::min_log_level.store(0);
  setenv("SIDECALL_LOG", environment, 1);
  std::fprintf(stderr, "level %s.\n", std::string(LogLevelName(MinLogLevel())).c_str());
  std::exit(0);
}

// Whatever another thread was at when the process forked, the child may log.
TEST_F(LogTest, AForkWhileAnotherThreadLogs) {
  constexpr int kForks = 300;
  SetLogSink([](LogLevel /*level*/, std::string_view /*message*/) {});
  std::atomic<bool> over{false};
  std::thread logs([&over] {
    while (!over) {
      LogOfPeer(LogLevel::kError, "from another thread");
      Log(LogLevel::kError, "from another thread");
    }
  });
  int ended = 0;
  for (int forks = 0; forks < kForks && ended == forks; forks++) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(10);
      LogOfPeer(LogLevel::kError, "from the child");
      Log(LogLevel::kError, "from the child");
      _exit(0);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    if (status == 0) ended++;
  }
  over = true;
  logs.join();
  EXPECT_EQ(ended, kForks);
}

TEST(LogDeathTest, EnvironmentSaysWhich) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  for (const char* name : {"debug", "info", "warning", "error", "off"}) {
    EXPECT_EXIT(SayLevel(name), testing::ExitedWithCode(0), std::string("level ") + name);
  }
  EXPECT_EXIT(SayLevel("loud"), testing::ExitedWithCode(0), "SIDECALL_LOG is none of(.|\n)*level warning");
}

}  // namespace
}  // namespace sidecall
