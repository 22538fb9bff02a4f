#include "statistics.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace bench {
namespace {

// The smallest value that at least that share of all values does not exceed.
template <typename T>
T NearestRank(const std::vector<T>& sorted, double share) {
  const double rank = std::ceil(share * static_cast<double>(sorted.size()));
  return sorted[static_cast<size_t>(std::max(rank, 1.0)) - 1];
}

}  // namespace

Latency LatencyOf(std::vector<int64_t>& samples) {
  if (samples.empty()) return {};
  std::sort(samples.begin(), samples.end());
  return {NearestRank(samples, 0.5), NearestRank(samples, 0.99), NearestRank(samples, 0.999), samples.back()};
}

Spread SpreadOf(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {NearestRank(values, 0.5), NearestRank(values, 0.1), NearestRank(values, 0.9)};
}

}  // namespace bench
