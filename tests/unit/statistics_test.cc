#include "sidecall/statistics.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "core/call_counters.h"

namespace sidecall {
namespace {

using internal::CallMeasure;
using internal::Method;
using internal::MethodKind;

// What is counted of `method`; nothing where it is not known.
MethodStatistics Of(const Method& method, CallSide side = CallSide::kClient) {
  for (MethodStatistics& statistics : StatisticsSnapshot().methods) {
    if (statistics.name == method.full_name() && statistics.side == side) return std::move(statistics);
  }
  return {};
}

void Call(const Method& method, absl::StatusCode code = absl::StatusCode::kOk, uint64_t bytes = 0) {
  CallMeasure measure;
  CountStart(CallSide::kClient, method, measure);
  measure.bytes_sent = bytes;
  measure.bytes_received = 2 * bytes;
  CountEnd(CallSide::kClient, measure, code);
}

TEST(StatisticsTest, CountsOverManyThreads) {
  static const Method method("unit.Statistics/ManyThreads", MethodKind::kUnary);
  constexpr int kThreads = 8;
  constexpr int kCalls = 20'000;
  std::atomic<bool> done{false};
  std::thread looks([&done] {
    while (!done) {
      const MethodStatistics now = Of(method);
      // A look is not of one moment: what begins while it lasts counts as in flight, and no end without a
      // beginning.
      EXPECT_LE(now.in_flight, uint64_t{kThreads} * kCalls);
      EXPECT_LE(now.ended_in_all(), now.started);
    }
  });
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; i++) {
    threads.emplace_back([i] {
      for (int call = 0; call < kCalls; call++) {
        Call(method, static_cast<absl::StatusCode>(i), 10);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  done = true;
  looks.join();
  const MethodStatistics all = Of(method);
  EXPECT_EQ(all.started, uint64_t{kThreads} * kCalls);
  for (size_t code = 0; code < kStatusCodes; code++) {
    EXPECT_EQ(all.ended[code], code < kThreads ? uint64_t{kCalls} : 0) << code;
  }
  EXPECT_EQ(all.bytes_sent, uint64_t{kThreads} * kCalls * 10);
  EXPECT_EQ(all.bytes_received, uint64_t{kThreads} * kCalls * 20);
  EXPECT_EQ(all.in_flight, 0u);
  EXPECT_LE(all.latency.count, all.started);
  EXPECT_GE(all.latency.count, all.started - uint64_t{kThreads} * 24);
  EXPECT_GT(all.latency.max, absl::ZeroDuration());
}

TEST(StatisticsTest, ThreadsOneAfterAnother) {
  static const Method method("unit.Statistics/OneAfterAnother", MethodKind::kUnary);
  for (int i = 0; i < 50; i++) std::thread([] { Call(method); }).join();
  EXPECT_EQ(Of(method).started, 50u);
}

TEST(StatisticsTest, BeginsOnOneThreadAndEndsOnAnother) {
  static const Method method("unit.Statistics/TwoThreads", MethodKind::kUnary);
  CallMeasure measure;
  std::thread([&] { CountStart(CallSide::kServer, method, measure); }).join();
  EXPECT_EQ(Of(method, CallSide::kServer).in_flight, 1u);
  std::thread([&] {
    MessageTally sent{.messages = 1, .bytes = 7};
    CountMessagesSent(CallSide::kServer, measure, sent);
    EXPECT_EQ(sent.messages, 0u) << "counted once";
    MessageTally received{.messages = 1, .bytes = 9};
    CountMessagesReceived(CallSide::kServer, measure, received);
    CountEnd(CallSide::kServer, measure, absl::StatusCode::kAborted);
    CountEnd(CallSide::kServer, measure, absl::StatusCode::kOk);
  }).join();
  const MethodStatistics after = Of(method, CallSide::kServer);
  EXPECT_EQ(after.in_flight, 0u);
  EXPECT_EQ(after.ended_in_all(), 1u) << "the second end does not count";
  EXPECT_EQ(after.ended[static_cast<size_t>(absl::StatusCode::kAborted)], 1u);
  EXPECT_EQ(after.messages_sent, 1u);
  EXPECT_EQ(after.bytes_sent, 7u);
  EXPECT_EQ(after.messages_received, 1u);
  EXPECT_EQ(after.bytes_received, 9u);
  EXPECT_EQ(Of(method, CallSide::kClient).started, 0u) << "sides are apart";
}

TEST(StatisticsTest, SameNameIsOneMethod) {
  static const Method one("unit.Statistics/SameName", MethodKind::kUnary);
  static const Method other("unit.Statistics/SameName", MethodKind::kUnary);
  Call(one);
  Call(other);
  EXPECT_EQ(Of(one).started, 2u);
}

TEST(StatisticsTest, SwitchedOff) {
  static const Method method("unit.Statistics/Off", MethodKind::kUnary);
  EXPECT_TRUE(StatisticsEnabled());
  CallMeasure measure;
  CountStart(CallSide::kClient, method, measure);
  SetStatisticsEnabled(false);
  EXPECT_FALSE(StatisticsEnabled());
  Call(method);
  MessageTally sent{.messages = 2, .bytes = 7};
  CountMessagesSent(CallSide::kClient, measure, sent);
  CountEnd(CallSide::kClient, measure, absl::StatusCode::kOk);
  CallMeasure other;
  CountStart(CallSide::kClient, method, other);
  SetStatisticsEnabled(true);
  sent = {.messages = 3, .bytes = 9};
  CountMessagesSent(CallSide::kClient, other, sent);
  CountEnd(CallSide::kClient, other, absl::StatusCode::kOk);
  EXPECT_EQ(Of(method).started, 1u) << "that which began before";
  EXPECT_EQ(Of(method).ended_in_all(), 1u) << "the same";
  EXPECT_EQ(Of(method).messages_sent, 2u) << "its own";
}

// -- Which calls are timed
// ---------------------------------------------------------------------------------------------------------

void SpinForTicks(uint64_t ticks) {
  for (const uint64_t until = Ticks() + ticks; Ticks() < until;) {
  }
}

TEST(StatisticsTest, SeldomCallsAreAllTimed) {
  static const Method method("unit.Statistics/Seldom", MethodKind::kUnary);
  for (int i = 0; i < 20; i++) {
    CallMeasure measure;
    CountStart(CallSide::kClient, method, measure);
    ASSERT_NE(measure.began, 0u) << i;
    ASSERT_EQ(measure.stands_for, 1u);
    measure.began -= 1u << 30;  // A while ago.
    CountEnd(CallSide::kClient, measure, absl::StatusCode::kOk);
    SpinForTicks(1u << 16);
  }
  const MethodStatistics seldom = Of(method);
  EXPECT_EQ(seldom.latency.count, 20u);
  EXPECT_GT(seldom.latency.Quantile(0), absl::Milliseconds(50));
  EXPECT_LT(seldom.latency.max, absl::Minutes(5));
}

// Sixty-four in flight: each takes long, but a thread that begins so many has no time to time them all.
TEST(StatisticsTest, ManyInFlightAreSampledThoughEachTakesLong) {
  static const Method method("unit.Statistics/InFlight", MethodKind::kUnary);
  constexpr int kCalls = 10'000;
  std::vector<CallMeasure> window(64);
  int timed = 0;
  for (int i = 0; i < kCalls; i++) {
    CallMeasure& measure = window[static_cast<size_t>(i) % window.size()];
    if (measure.began != 0) measure.began -= 1u << 30;
    CountEnd(CallSide::kClient, measure, absl::StatusCode::kOk);  // No effect on the first.
    measure = {};
    CountStart(CallSide::kClient, method, measure);
    if (measure.began != 0) timed++;
  }
  EXPECT_LT(timed, kCalls / 4);
  EXPECT_GT(timed, kCalls / 24 - 1);
}

TEST(StatisticsTest, FrequentCallsAreSampledAndStandForOthers) {
  static const Method method("unit.Statistics/Frequent", MethodKind::kUnary);
  constexpr int kCalls = 10'000;
  int timed = 0;
  uint64_t stood_for = 0;
  for (int i = 0; i < kCalls; i++) {
    CallMeasure measure;
    CountStart(CallSide::kClient, method, measure);
    if (measure.began != 0) {
      timed++;
      stood_for += measure.stands_for;
    }
    CountEnd(CallSide::kClient, measure, absl::StatusCode::kOk);
  }
  EXPECT_LT(timed, kCalls / 4) << "some are seldom, because this thread did not run meanwhile";
  EXPECT_EQ(Of(method).latency.count, stood_for);
  EXPECT_GT(stood_for, kCalls - 24u);
  EXPECT_LT(Of(method).latency.Quantile(0.5), absl::Microseconds(100));
}

// -- Processes
// ---------------------------------------------------------------------------------------------------------

TEST(StatisticsTest, ForkedChildBeginsWithNone) {
  static const Method method("unit.Statistics/Fork", MethodKind::kUnary);
  Call(method);
  std::promise<void> go;
  std::thread other([&] {
    Call(method);
    go.get_future().wait();
  });
  while (Of(method).started < 2) std::this_thread::yield();
  const pid_t child = fork();
  if (child == 0) {
    if (Of(method).started != 0) _exit(1);
    Call(method);
    _exit(Of(method).started == 1 ? 0 : 2);
  }
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  go.set_value();
  other.join();
  EXPECT_EQ(Of(method).started, 2u);
}

void CallOnceAndSayCount() {
  setenv("SIDECALL_STATISTICS", "off", 1);
  static const Method method("unit.Statistics/Environment", MethodKind::kUnary);
  Call(method);
  std::fprintf(stderr, "%zu methods, %s\n", StatisticsSnapshot().methods.size(),
               StatisticsEnabled() ? "on" : "off");
  std::exit(0);
}

TEST(StatisticsDeathTest, EnvironmentSwitchesOff) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(CallOnceAndSayCount(), testing::ExitedWithCode(0), "0 methods, off");
}

}  // namespace
}  // namespace sidecall
