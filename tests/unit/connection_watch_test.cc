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
  std::map<int, short> wanted;

  absl::Status Add(int fd, short events, uint64_t /*token*/) override {
    wanted[fd] = events;
    return absl::OkStatus();
  }
  absl::Status Modify(int fd, short events, uint64_t /*token*/) override {
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
  EXPECT_TRUE(watch_.Update(events_, connection_));
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
  EXPECT_FALSE(watch_.Update(events_, connection_));
  SetLogSink(nullptr);
  EXPECT_TRUE(connection_.closed);
  EXPECT_NE(said.find("cannot be watched: RESOURCE_EXHAUSTED: full"), std::string::npos) << said;
}

}  // namespace
}  // namespace sidecall
