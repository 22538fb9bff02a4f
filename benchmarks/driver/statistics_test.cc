#include "statistics.h"

#include <gtest/gtest.h>

#include <numeric>

namespace bench {
namespace {

TEST(LatencyOf, TakesNearestRanks) {
  std::vector<int64_t> samples(1000);
  std::iota(samples.rbegin(), samples.rend(), 1);
  const Latency latency = LatencyOf(samples);
  EXPECT_EQ(latency.p50, 500);
  EXPECT_EQ(latency.p99, 990);
  EXPECT_EQ(latency.p999, 999);
  EXPECT_EQ(latency.max, 1000);
}

TEST(LatencyOf, IsZeroForNothing) {
  std::vector<int64_t> samples;
  EXPECT_EQ(LatencyOf(samples).max, 0);
}

TEST(LatencyOf, OfOneSampleIsThatSample) {
  std::vector<int64_t> samples = {7};
  const Latency latency = LatencyOf(samples);
  EXPECT_EQ(latency.p50, 7);
  EXPECT_EQ(latency.p999, 7);
}

TEST(SpreadOf, TellsMedianAndTenths) {
  const Spread spread = SpreadOf({5, 1, 4, 2, 3, 10, 9, 8, 7, 6});
  EXPECT_EQ(spread.median, 5);
  EXPECT_EQ(spread.low, 1);
  EXPECT_EQ(spread.high, 9);
}

}  // namespace
}  // namespace bench
