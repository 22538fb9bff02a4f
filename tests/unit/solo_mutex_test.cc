#include "core/solo_mutex.h"

#include <gtest/gtest.h>

#include <mutex>
#include <thread>

namespace sidecall {
namespace {

TEST(SoloMutexTest, OneAtATime) {
  constexpr int kTimes = 20'000;
  SoloMutex mutex;
  int times = 0;
  const auto count = [&] {
    for (int i = 0; i < kTimes; i++) {
      const std::lock_guard lock(mutex);
      times++;
    }
  };
  std::thread other(count);
  count();
  other.join();
  EXPECT_EQ(times, 2 * kTimes);
}

}  // namespace
}  // namespace sidecall
