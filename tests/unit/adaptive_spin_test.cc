// When a wait polls on, and when it sleeps.
#include "core/adaptive_spin.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "transport/clock.h"

namespace sidecall {
namespace {

constexpr int64_t kLongSleep = 10'000'000;
constexpr int64_t kShortSleep = 50'000;

bool SeveralCpus() {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  return sched_getaffinity(0, sizeof cpus, &cpus) == 0 && CPU_COUNT(&cpus) > 1;
}

// Polls of one wait in which nothing ever comes.
int Polls(AdaptiveSpin& spin) {
  int polls = 0;
  for (spin.Begin(); spin.Continue(); polls++) {
    if (polls > 100'000'000) ADD_FAILURE() << "spins for ever";
  }
  return polls;
}

// Of so many waits that all end asleep, those that polled before they slept.
int WaitsThatPoll(AdaptiveSpin& spin, int waits, int64_t sleep_nanos) {
  int polling = 0;
  for (int i = 0; i < waits; i++) {
    if (Polls(spin) > 0) polling++;
    spin.EndedAsleep(sleep_nanos);
  }
  return polling;
}

class AdaptiveSpinTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!SeveralCpus()) GTEST_SKIP() << "this process may run on one CPU only, where nothing ever spins";
  }
};

TEST(AdaptiveSpin, OffNeverSpins) {
  AdaptiveSpin spin(Polling::kOff);
  EXPECT_EQ(Polls(spin), 0);
  spin.EndedAwake();
  EXPECT_EQ(Polls(spin), 0);
}

TEST(AdaptiveSpin, NeverSpinsOnOneCpu) {
  std::thread([] {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<size_t>(sched_getcpu()), &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    AdaptiveSpin spin(Polling::kAdaptive);
    EXPECT_EQ(Polls(spin), 0);
  }).join();
}

TEST_F(AdaptiveSpinTest, AffinityIsLookedAtAgain) {
  std::thread([] {
    AdaptiveSpin spin(Polling::kAdaptive);
    EXPECT_GT(Polls(spin), 0);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<size_t>(sched_getcpu()), &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    for (int i = 0; i < 200; i++) spin.EndedAsleep(kLongSleep);
    EXPECT_EQ(WaitsThatPoll(spin, 200, kLongSleep), 0);
  }).join();
}

TEST_F(AdaptiveSpinTest, SpinEndsAfterAboutTheCostOfAWakeUp) {
  AdaptiveSpin spin(Polling::kAdaptive);
  const int64_t began = MonotonicNanos();
  Polls(spin);
  const int64_t took = MonotonicNanos() - began;
  EXPECT_GE(took, 20'000);
  EXPECT_LT(took, 1'000'000'000) << "a busy machine may stretch it, but not that far";
}

TEST_F(AdaptiveSpinTest, WhereRepliesAreSlowFewWaitsPoll) {
  AdaptiveSpin spin(Polling::kAdaptive);
  EXPECT_GT(WaitsThatPoll(spin, 1000, kLongSleep), 0) << "now and then it looks whether that has changed";
  EXPECT_LT(WaitsThatPoll(spin, 1000, kLongSleep), 50);
}

TEST_F(AdaptiveSpinTest, LearnsThatRepliesAreFastAgain) {
  AdaptiveSpin spin(Polling::kAdaptive);
  for (int i = 0; i < 200; i++) spin.EndedAsleep(kLongSleep);
  // Replies come while it polls, or soon after it slept.
  int waits = 0;
  for (int in_a_row = 0; in_a_row < 20; waits++) {
    ASSERT_LT(waits, 200);
    if (Polls(spin) > 0) {
      spin.EndedAwake();
      in_a_row++;
    } else {
      spin.EndedAsleep(kShortSleep);
      in_a_row = 0;
    }
  }
}

TEST_F(AdaptiveSpinTest, OneSlowReplyDoesNotEndPolling) {
  AdaptiveSpin spin(Polling::kAdaptive);
  for (int i = 0; i < 20; i++) spin.EndedAwake();
  spin.EndedAsleep(kLongSleep);
  EXPECT_GT(Polls(spin), 0);
}

TEST_F(AdaptiveSpinTest, TellsWhenItReadTheClock) {
  AdaptiveSpin spin(Polling::kAdaptive);
  EXPECT_EQ(spin.now_nanos(), 0);
  const int64_t before = MonotonicNanos();
  Polls(spin);
  EXPECT_GE(spin.now_nanos(), before);
  EXPECT_LE(spin.now_nanos(), MonotonicNanos());
}

TEST(DefaultPolling, EnvironmentTurnsItOff) {
  unsetenv("SIDECALL_POLLING");
  EXPECT_EQ(DefaultPolling(), Polling::kAdaptive);
  setenv("SIDECALL_POLLING", "off", 1);
  EXPECT_EQ(DefaultPolling(), Polling::kOff);
  setenv("SIDECALL_POLLING", "anything else", 1);
  EXPECT_EQ(DefaultPolling(), Polling::kAdaptive);
  unsetenv("SIDECALL_POLLING");
}

}  // namespace
}  // namespace sidecall
