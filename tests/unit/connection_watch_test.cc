#include "core/connection_watch.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <map>
#include <string_view>
#include <vector>

#include "fake_connection.h"
#include "sidecall/log.h"

namespace sidecall {
namespace {

// Keeps what is wanted of each descriptor, and fails to watch one of which nothing was while it is `full`.
class FakeEventLoop final : public EventLoop {
 public:
  bool full = false;
  size_t modified = 0;
  std::map<int, short> wanted;

  absl::Status Add(int fd, short events, uint64_t /*token*/) override {
    wanted[fd] = events;
    return absl::OkStatus();
  }
  absl::Status Modify(int fd, short events, uint64_t /*token*/) override {
    modified++;
    if (full && wanted[fd] == 0) return absl::ResourceExhaustedError("full");
    wanted[fd] = events;
    return absl::OkStatus();
  }
  void Remove(int fd, uint64_t /*token*/) override { wanted.erase(fd); }
  void Wait(int64_t /*deadline_nanos*/, std::vector<Ready>& /*ready*/) override {}
  void Wake() override {}
  int descriptor() const override { return -1; }
  std::string_view name() const override { return "fake"; }
};

class ConnectionWatchTest : public testing::Test {
 protected:
  void SetUp() override {
    WaitDescriptors& descriptors = connection_.descriptors;
    descriptors.items[0] = {.fd = 10, .events = POLLIN, .revents = 0};
    descriptors.items[1] = {.fd = 11, .events = 0, .revents = 0};
    descriptors.items[2] = {.fd = 12, .events = POLLIN, .revents = 0};
    descriptors.count = 3;
    descriptors.deaths = 1;
    ASSERT_TRUE(watch_.Add(events_, connection_, 1).ok());
  }

  FakeEventLoop events_;
  FakeConnection connection_{ConnectionLimits{.max_frame = 100, .inline_slot = 100}};
  ConnectionWatch watch_;
};

TEST_F(ConnectionWatchTest, MutedButForDeathsUntilTheNextUpdate) {
  using Wanted = std::map<int, short>;
  EXPECT_EQ(events_.wanted, (Wanted{{10, POLLIN}, {11, 0}, {12, POLLIN}}));
  watch_.Mute(events_);
  EXPECT_EQ(events_.wanted, (Wanted{{10, 0}, {11, 0}, {12, POLLIN}}));
  connection_.descriptors.items[1].events = POLLOUT;
  EXPECT_TRUE(watch_.Update(events_, connection_, true));
  EXPECT_EQ(events_.wanted, (Wanted{{10, POLLIN}, {11, POLLOUT}, {12, POLLIN}}));
  watch_.Remove(events_);
  EXPECT_TRUE(events_.wanted.empty());
  EXPECT_FALSE(connection_.closed);
}

// Nobody would be woken for it.
TEST_F(ConnectionWatchTest, WhatCannotBeWatchedIsClosedAndToldOf) {
  std::string said;
  SetLogSink([&said](LogLevel, std::string_view message) { said = message; });
  watch_.Mute(events_);
  events_.full = true;
  EXPECT_FALSE(watch_.Update(events_, connection_, true));
  SetLogSink(nullptr);
  EXPECT_TRUE(connection_.closed);
  EXPECT_NE(said.find("cannot be watched: RESOURCE_EXHAUSTED: full"), std::string::npos) << said;
}

class WakeAheadTest : public ConnectionWatchTest {
 protected:
  void SetUp() override {
    ConnectionWatchTest::SetUp();
    connection_.descriptors.tells_of_reads = true;
  }

  // Sleeps, and is told of the first descriptor. Then frames come, or none do.
  void SleepOnce(bool frames) {
    ASSERT_TRUE(watch_.Update(events_, connection_, true));
    ReadyDescriptors told;
    watch_.Note({.token = ConnectionWatch::TokenOf(1, 0)}, told);
    EXPECT_EQ(told.ready, 1u);
    if (frames) watch_.Heard();
  }
  void SleepUntilWatched() {
    for (int i = 0; i < 100 && !watched(); i++) SleepOnce(true);
    ASSERT_TRUE(watched());
  }
  // Sleeps until the first descriptor is watched for reads. How often.
  size_t Pause() {
    size_t sleeps = 0;
    for (; sleeps < 100'000 && !watched(); sleeps++) SleepOnce(true);
    return sleeps;
  }
  bool watched() { return events_.wanted[10] == (POLLIN | POLLOUT); }
};

TEST_F(WakeAheadTest, NotForWhoSleepsSeldom) {
  EXPECT_EQ(Pause(), WakeAhead::kFirstPause);
}

TEST_F(WakeAheadTest, NotWhereTheDescriptorTellsNothingOfIt) {
  connection_.descriptors.tells_of_reads = false;
  for (int i = 0; i < 100; i++) SleepOnce(true);
  EXPECT_FALSE(watched());
}

// Where both share a CPU, no wake-up of one can go on while the other works.
TEST_F(WakeAheadTest, NotOnOneCpu) {
  SleepUntilWatched();
  EXPECT_TRUE(watch_.Update(events_, connection_, false));
  EXPECT_FALSE(watched());
}

TEST_F(WakeAheadTest, GoesOnWhileMostWakeUpsGain) {
  SleepUntilWatched();
  for (int i = 0; i < 1000; i++) {
    SleepOnce(i % 4 != 3);
    ASSERT_TRUE(watched()) << i;
  }
}

// As where each answer takes long: one wake-up of two is in vain.
TEST_F(WakeAheadTest, PausesEverLongerWhereWakeUpsAreInVain) {
  SleepUntilWatched();
  size_t in_vain = 0;
  // The first sleep of a pause ends the trial.
  for (size_t longest = 0; longest < WakeAhead::kLongestPause; longest = 1 + Pause()) {
    bool frames = false;
    for (int i = 0; i < 100 && watched(); i++, frames = !frames) {
      SleepOnce(frames);
      if (!frames) in_vain++;
    }
    ASSERT_FALSE(watched()) << "after a pause of " << longest << " sleeps";
    ASSERT_LT(in_vain, 100u);
  }
  // What gained once is tried again soon.
  for (int i = 0; i < 10; i++) SleepOnce(true);
  for (int i = 0; i < 100 && watched(); i++) SleepOnce(false);
  EXPECT_EQ(1 + Pause(), WakeAhead::kFirstPause);
}

// Watched anew, it is reported at once, as there is room.
TEST_F(WakeAheadTest, WhoIsMutedAllTheTimeGainsNothing) {
  SleepUntilWatched();
  for (int i = 0; i < 100 && watched(); i++) {
    watch_.Mute(events_);
    SleepOnce(false);
    SleepOnce(true);
  }
  EXPECT_FALSE(watched());
}

// The report that there is room may have been taken as one of a read: the kernel is asked anew.
TEST_F(WakeAheadTest, RoomThatIsWaitedForIsAskedForAnew) {
  SleepUntilWatched();
  connection_.descriptors.items[0].events = POLLIN | POLLOUT;
  const size_t before = events_.modified;
  EXPECT_TRUE(watch_.Update(events_, connection_, true));
  EXPECT_EQ(events_.modified, before + 1);
  EXPECT_TRUE(watch_.Update(events_, connection_, true));
  EXPECT_EQ(events_.modified, before + 1);
}

}  // namespace
}  // namespace sidecall
