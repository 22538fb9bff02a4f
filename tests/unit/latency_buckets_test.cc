#include "core/latency_buckets.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

namespace sidecall {
namespace {

using latency_buckets::IndexOf;
using latency_buckets::kCount;
using latency_buckets::LowerBound;

TEST(LatencyBucketsTest, BoundsAreWhereBucketsBegin) {
  EXPECT_EQ(IndexOf(0), 0u);
  for (size_t i = 1; i < kCount; i++) {
    EXPECT_EQ(IndexOf(LowerBound(i)), i);
    EXPECT_EQ(IndexOf(LowerBound(i) - 1), i - 1);
  }
  EXPECT_EQ(IndexOf(UINT64_MAX), kCount - 1);
}

TEST(LatencyBucketsTest, NoneIsWiderThanAnEighth) {
  for (size_t i = 1; i + 1 < kCount; i++) {
    EXPECT_LE((LowerBound(i + 1) - LowerBound(i)) * 8, LowerBound(i)) << i;
  }
}

using Counts = std::array<uint64_t, kCount>;

TEST(LatencyHistogramTest, QuantilesOfRandomLatencies) {
  std::mt19937_64 random(20261);
  std::uniform_real_distribution<double> power(8, 34);
  std::vector<uint64_t> all(50'000);
  Counts counts{};
  uint64_t sum = 0;
  for (uint64_t& ticks : all) {
    ticks = static_cast<uint64_t>(std::exp2(power(random)));
    counts[IndexOf(ticks)]++;
    sum += ticks;
  }
  std::sort(all.begin(), all.end());
  constexpr double kNanosPerTick = 0.4;
  const LatencyHistogram histogram = MakeLatencyHistogram(counts, sum, all.back(), kNanosPerTick);
  EXPECT_EQ(histogram.count, all.size());
  for (const double share : {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999}) {
    const auto rank = static_cast<size_t>(std::ceil(share * static_cast<double>(all.size()))) - 1;
    const double exact = static_cast<double>(all[rank]) * kNanosPerTick;
    EXPECT_NEAR(absl::ToDoubleNanoseconds(histogram.Quantile(share)), exact, exact * 0.0625 + 1) << share;
  }
  const absl::Duration max = absl::Nanoseconds(static_cast<double>(all.back()) * kNanosPerTick);
  EXPECT_EQ(histogram.Quantile(1), max);
  EXPECT_EQ(histogram.max, max);
  EXPECT_NEAR(absl::ToDoubleNanoseconds(histogram.sum), static_cast<double>(sum) * kNanosPerTick, 1e3);
}

TEST(LatencyHistogramTest, BucketsTellBoundsAndCounts) {
  Counts counts{};
  counts[IndexOf(1000)] = 3;
  counts[IndexOf(5000)] = 2;
  const LatencyHistogram histogram = MakeLatencyHistogram(counts, 13'000, 5000, 1);
  ASSERT_EQ(histogram.buckets.size(), 2u);
  EXPECT_EQ(histogram.buckets[0].count, 3u);
  EXPECT_EQ(histogram.buckets[0].lower_bound, absl::Nanoseconds(960));
  EXPECT_EQ(histogram.buckets[0].upper_bound, absl::Nanoseconds(1024));
  EXPECT_EQ(histogram.buckets[1].count, 2u);
  EXPECT_EQ(histogram.Quantile(0.6), absl::Nanoseconds(992));
  EXPECT_EQ(histogram.Quantile(0.61), absl::Nanoseconds(4864));
  EXPECT_EQ(histogram.Quantile(1), absl::Nanoseconds(5000)) << "the greatest is known";
  EXPECT_EQ(histogram.Quantile(0), absl::Nanoseconds(992));
}

TEST(LatencyHistogramTest, NothingAndTooMuch) {
  EXPECT_EQ(LatencyHistogram().Quantile(0.5), absl::ZeroDuration());
  Counts counts{};
  counts[kCount - 1] = 2;
  const LatencyHistogram histogram = MakeLatencyHistogram(counts, UINT64_MAX / 2, UINT64_MAX / 4, 1);
  EXPECT_EQ(histogram.Quantile(0.5), histogram.max) << "the last bucket is open";
}

}  // namespace
}  // namespace sidecall
