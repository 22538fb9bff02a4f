#include "goals.h"

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/str_format.h"
#include "format.h"
#include "system.h"

namespace bench {
namespace {

enum class Figure { kTimesFloor, kFasterThanPeer, kSwitchesPerCall };
enum class Bound { kAtMost, kAtLeast };

struct Goal {
  std::string_view work;
  std::string_view system;
  Mode mode;
  size_t bytes;
  Figure figure;
  Bound bound;
  double value;
};

constexpr size_t kKiB = 1024;
constexpr size_t kMiB = 1024 * kKiB;

// A rate of 0.3 times the floor's, as a cost.
constexpr double kStreamTimesFloor = 1 / 0.3;
constexpr double kBandwidthTimesFloor = 1 / 0.7;

constexpr std::array kGoals = {
    Goal{"unary", "sidecall/shm", Mode::kHot, 16, Figure::kTimesFloor, Bound::kAtMost, 1.5},
    Goal{"unary", "sidecall/shm", Mode::kHot, 16, Figure::kFasterThanPeer, Bound::kAtLeast, 100},
    Goal{"unary", "sidecall/shm", Mode::kHot, 16, Figure::kSwitchesPerCall, Bound::kAtMost, 0.01},
    Goal{"unary", "sidecall/unix", Mode::kHot, 16, Figure::kTimesFloor, Bound::kAtMost, 1.5},
    Goal{"unary", "sidecall/unix", Mode::kHot, 16, Figure::kSwitchesPerCall, Bound::kAtMost, 0.01},
    Goal{"unary", "sidecall/shm+stalled", Mode::kHot, 16, Figure::kTimesFloor, Bound::kAtMost, 1.2},
    Goal{"unary", "sidecall/shm+named", Mode::kHot, 16, Figure::kTimesFloor, Bound::kAtMost, 1.05},
    Goal{"unary", "sidecall/unix+stalled", Mode::kHot, 16, Figure::kTimesFloor, Bound::kAtMost, 1.2},
    Goal{"unary", "sidecall/shm", Mode::kHot, 64 * kKiB, Figure::kTimesFloor, Bound::kAtMost, 1.3},
    Goal{"unary", "sidecall/unix", Mode::kHot, 64 * kKiB, Figure::kTimesFloor, Bound::kAtMost, 1.3},
    Goal{"unary", "sidecall/shm", Mode::kHot, kMiB, Figure::kTimesFloor, Bound::kAtMost, 1.3},
    Goal{"unary", "sidecall/unix", Mode::kHot, kMiB, Figure::kTimesFloor, Bound::kAtMost, 1.3},
    Goal{"unary", "sidecall/shm", Mode::kSleeping, 16, Figure::kTimesFloor, Bound::kAtMost, 1.25},
    Goal{"unary", "sidecall/shm", Mode::kSleeping, 16, Figure::kSwitchesPerCall, Bound::kAtLeast, 0.95},
    Goal{"unary", "sidecall/unix", Mode::kSleeping, 16, Figure::kTimesFloor, Bound::kAtMost, 1.25},
    Goal{"unary", "sidecall/unix", Mode::kSleeping, 16, Figure::kSwitchesPerCall, Bound::kAtLeast, 0.95},
    Goal{"unary", "sidecall/pipe", Mode::kHot, 16, Figure::kTimesFloor, Bound::kAtMost, 1.5},
    Goal{"unary", "sidecall/mqueue", Mode::kHot, 16, Figure::kTimesFloor, Bound::kAtMost, 1.5},
    Goal{"unary", "sidecall/pipe", Mode::kHot, 16, Figure::kFasterThanPeer, Bound::kAtLeast, 15},
    Goal{"unary", "sidecall/mqueue", Mode::kHot, 16, Figure::kFasterThanPeer, Bound::kAtLeast, 15},
    Goal{"unary", "sidecall/pipe", Mode::kHot, kMiB, Figure::kTimesFloor, Bound::kAtMost, 1.5},
    Goal{"unary", "sidecall/pipe", Mode::kSleeping, 16, Figure::kTimesFloor, Bound::kAtMost, 1.25},
    Goal{"unary", "sidecall/mqueue", Mode::kSleeping, 16, Figure::kTimesFloor, Bound::kAtMost, 1.25},
    Goal{"stream", "sidecall/shm", Mode::kHot, 16, Figure::kTimesFloor, Bound::kAtMost, kStreamTimesFloor},
    Goal{"stream", "sidecall/unix", Mode::kHot, 16, Figure::kTimesFloor, Bound::kAtMost, kStreamTimesFloor},
    Goal{"stream", "sidecall/shm", Mode::kHot, 16, Figure::kFasterThanPeer, Bound::kAtLeast, 40},
    Goal{"stream", "sidecall/unix", Mode::kHot, 16, Figure::kFasterThanPeer, Bound::kAtLeast, 40},
    Goal{"pipelined", "sidecall/shm", Mode::kHot, 16, Figure::kTimesFloor, Bound::kAtMost, kStreamTimesFloor},
    Goal{"pipelined", "sidecall/shm", Mode::kHot, 16, Figure::kFasterThanPeer, Bound::kAtLeast, 40},
    Goal{"stream_both_ways", "sidecall/shm", Mode::kHot, 16, Figure::kTimesFloor, Bound::kAtMost,
         kStreamTimesFloor},
    Goal{"stream_both_ways", "sidecall/unix", Mode::kHot, 16, Figure::kTimesFloor, Bound::kAtMost,
         kStreamTimesFloor},
    Goal{"stream_both_ways", "sidecall/shm", Mode::kHot, 16, Figure::kFasterThanPeer, Bound::kAtLeast, 40},
    Goal{"stream_both_ways", "sidecall/unix", Mode::kHot, 16, Figure::kFasterThanPeer, Bound::kAtLeast, 40},
    Goal{"bandwidth", "sidecall/shm", Mode::kHot, kMiB, Figure::kTimesFloor, Bound::kAtMost,
         kBandwidthTimesFloor},
    Goal{"bandwidth", "sidecall/unix", Mode::kHot, kMiB, Figure::kTimesFloor, Bound::kAtMost,
         kBandwidthTimesFloor},
};

const Measurement* Find(const std::vector<Measurement>& measurements, const Goal& goal) {
  for (const Measurement& measurement : measurements) {
    const Case& which = measurement.which;
    if (which.work == goal.work && measurement.system == goal.system && which.mode == goal.mode &&
        which.bytes == goal.bytes) {
      return &measurement;
    }
  }
  return nullptr;
}

std::optional<double> ValueOf(Figure figure, const Measurement& measurement) {
  const auto median = [](const std::optional<Spread>& spread) {
    return spread ? std::optional<double>(spread->median) : std::nullopt;
  };
  switch (figure) {
    case Figure::kTimesFloor:
      return median(measurement.times_floor);
    case Figure::kFasterThanPeer:
      return median(measurement.faster_than_peer);
    case Figure::kSwitchesPerCall:
      return measurement.switches_per_call();
  }
  return std::nullopt;
}

std::string NameOf(Figure figure) {
  switch (figure) {
    case Figure::kTimesFloor:
      return "x floor";
    case Figure::kFasterThanPeer:
      return "x faster than " + std::string(kPeer);
    case Figure::kSwitchesPerCall:
      return "switches per call";
  }
  return "";
}

}  // namespace

void PrintGoals(const std::vector<Measurement>& measurements, std::ostream& out) {
  for (const Goal& goal : kGoals) {
    const Measurement* measurement = Find(measurements, goal);
    if (measurement == nullptr) continue;
    const std::optional<double> value = ValueOf(goal.figure, *measurement);
    if (!value.has_value()) continue;
    const bool met = goal.bound == Bound::kAtMost ? *value <= goal.value : *value >= goal.value;
    out << absl::StrFormat("%-7s  %s %s: %.4g %s (goal %s %g)\n", met ? "met" : "NOT MET",
                           measurement->system, CaseTitle(measurement->which), *value, NameOf(goal.figure),
                           goal.bound == Bound::kAtMost ? "<=" : ">=", goal.value);
  }
}

}  // namespace bench
