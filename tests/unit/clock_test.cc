#include "transport/clock.h"

#include <gtest/gtest.h>

namespace sidecall {
namespace {

TEST(Clock, HasPassedIsAsExactAsTheClock) {
  EXPECT_TRUE(HasPassed(INT64_MIN));  // A peer may ask for any deadline.
  EXPECT_TRUE(HasPassed(0));
  EXPECT_FALSE(HasPassed(kInfiniteFutureNanos));
  EXPECT_FALSE(HasPassed(NanosFromNow(3'600'000'000'000)));
  for (int i = 0; i < 1000; i++) {
    const int64_t moment = NanosFromNow(20'000);
    while (!HasPassed(moment)) {
    }
    ASSERT_GE(MonotonicNanos(), moment);
  }
}

}  // namespace
}  // namespace sidecall
