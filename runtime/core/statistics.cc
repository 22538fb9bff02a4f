#include "sidecall/statistics.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <numeric>
#include <utility>

#include "core/call_counters.h"
#include "core/process_counters.h"
#include "core/tick_clock.h"

namespace sidecall {
namespace {

// One method's counters, of all threads.
struct Sum {
  MethodStatistics statistics;
  std::array<uint64_t, latency_buckets::kCount> latency{};
  uint64_t latency_sum = 0;
  uint64_t latency_max = 0;

  void Add(const MethodCounters& counters) {
    // Ends before starts: a call that begins and ends meanwhile is not to be missing among those.
    for (size_t i = 0; i < kStatusCodes; i++) statistics.ended[i] += counters.ended[i].Get();
    statistics.started += counters.started.Get();
    statistics.bytes_sent += counters.bytes_sent.Get();
    statistics.bytes_received += counters.bytes_received.Get();
    statistics.messages_sent += counters.messages_sent.Get();
    statistics.messages_received += counters.messages_received.Get();
    for (size_t i = 0; i < latency.size(); i++) latency[i] += counters.latency[i].Get();
    latency_sum += counters.latency_sum.Get();
    latency_max = std::max(latency_max, counters.latency_max.Get());
  }
};

ConnectionStatistics Read(const ProcessCounters::Connections& counters) {
  ConnectionStatistics statistics;
  const uint64_t ended = counters.ended.load();
  statistics.opened = counters.opened.load();
  statistics.open = statistics.opened - std::min(statistics.opened, ended);
  statistics.failed = counters.failed.load();
  return statistics;
}

}  // namespace

LatencyHistogram MakeLatencyHistogram(const std::array<uint64_t, latency_buckets::kCount>& counts,
                                      uint64_t sum, uint64_t max, double nanos_per_tick) {
  const auto duration = [nanos_per_tick](uint64_t ticks) {
    return absl::Nanoseconds(static_cast<double>(ticks) * nanos_per_tick);
  };
  LatencyHistogram histogram;
  for (size_t i = 0; i < counts.size(); i++) {
    if (counts[i] == 0) continue;
    const bool last = i + 1 == counts.size();
    histogram.buckets.push_back(
        {.lower_bound = duration(latency_buckets::LowerBound(i)),
         .upper_bound = last ? absl::InfiniteDuration() : duration(latency_buckets::LowerBound(i + 1)),
         .count = counts[i]});
    histogram.count += counts[i];
  }
  histogram.sum = duration(sum);
  histogram.max = duration(max);
  return histogram;
}

absl::Duration LatencyHistogram::Quantile(double share) const {
  const auto wanted = static_cast<uint64_t>(std::ceil(share * static_cast<double>(count)));
  uint64_t seen = 0;
  for (const Bucket& bucket : buckets) {
    seen += bucket.count;
    if (seen < wanted) continue;
    // Of the last, the greatest is known.
    if (seen == count && wanted == count) return max;
    return std::min(bucket.lower_bound + (bucket.upper_bound - bucket.lower_bound) / 2, max);
  }
  return max;
}

uint64_t MethodStatistics::ended_in_all() const {
  return std::accumulate(ended.begin(), ended.end(), uint64_t{0});
}

Statistics StatisticsSnapshot() {
  // By name: a method may be declared in several shared objects.
  std::map<std::pair<std::string, CallSide>, std::unique_ptr<Sum>> sums;
  call_counters::VisitAll([&sums](const MethodCounters& counters) {
    std::unique_ptr<Sum>& sum = sums[{counters.name, counters.side}];
    if (sum == nullptr) sum = std::make_unique<Sum>();
    sum->Add(counters);
  });
  Statistics statistics;
  const double nanos_per_tick = sums.empty() ? 1 : NanosPerTick();
  for (auto& [key, sum] : sums) {
    MethodStatistics& method = statistics.methods.emplace_back(std::move(sum->statistics));
    if (method.started == 0) {  // The parent's, before a fork.
      statistics.methods.pop_back();
      continue;
    }
    method.name = key.first;
    method.side = key.second;
    method.in_flight = method.started - std::min(method.started, method.ended_in_all());
    method.latency = MakeLatencyHistogram(sum->latency, sum->latency_sum, sum->latency_max, nanos_per_tick);
  }
  for (size_t i = 0; i < kStatusCodes; i++) {
    statistics.refused_calls[i] = process_counters.refused_calls[i].load();
  }
  statistics.client_connections = Read(process_counters.Of(CallSide::kClient));
  statistics.server_connections = Read(process_counters.Of(CallSide::kServer));
  return statistics;
}

}  // namespace sidecall
