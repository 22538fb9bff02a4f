#include "comparison.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "interrupt.h"

namespace bench {
namespace {

// One system's part in a comparison.
struct Contestant {
  const System* system;
  std::unique_ptr<WorkerPair> workers = nullptr;  // null once it failed
  uint64_t calls = 0;                             // its next turn
  // One entry a round: nanoseconds that a call took.
  std::vector<double> costs = {};
  // All rounds together.
  std::vector<int64_t> nanos = {};
  uint64_t total_calls = 0;
  double seconds = 0;
  int64_t client_switches = 0;
  int64_t server_switches = 0;
};

// As many calls as fill a turn at the pace of `run`.
uint64_t CallsOfATurn(const Run& run, const Effort& effort) {
  constexpr double kMostCalls = 1e6;
  const double pace = static_cast<double>(run.calls) / std::max(run.seconds, 1e-9);
  const double fitting = std::min(kMostCalls, pace * absl::ToDoubleSeconds(effort.turn));
  return std::max(effort.fewest_calls, static_cast<uint64_t>(fitting));
}

// Finds out the pace: 4 calls, 16, 64, until they take a while.
absl::StatusOr<uint64_t> FindCalls(WorkerPair& workers, const Effort& effort) {
  for (uint64_t tried = 4;; tried *= 4) {
    const absl::StatusOr<Run> run = workers.RunCalls(0, tried);
    if (!run.ok()) return run.status();
    const uint64_t calls = CallsOfATurn(*run, effort);
    if (calls <= tried * 4) return calls;
  }
}

absl::Status StartContestant(Contestant& contestant, const Case& which, const Effort& effort,
                             const Surroundings& surroundings, const std::string& address) {
  absl::StatusOr<std::unique_ptr<WorkerPair>> workers =
      WorkerPair::Start(*contestant.system, which, address, surroundings);
  if (!workers.ok()) return workers.status();
  const absl::StatusOr<uint64_t> calls = FindCalls(**workers, effort);
  if (!calls.ok()) return calls.status();
  contestant.workers = *std::move(workers);
  contestant.calls = *calls;
  return absl::OkStatus();
}

absl::Status TakeTurn(Contestant& contestant, const Effort& effort) {
  // It stood still while others had their turns: half a turn warms caches and clocks, and lets it learn to
  // poll.
  const uint64_t warm_up = contestant.calls / 2;
  absl::StatusOr<Run> run = contestant.workers->RunCalls(warm_up, contestant.calls);
  if (!run.ok()) return run.status();
  contestant.calls = CallsOfATurn(*run, effort);
  contestant.nanos.insert(contestant.nanos.end(), run->nanos.begin(), run->nanos.end());
  contestant.total_calls += run->calls;
  contestant.seconds += run->seconds;
  contestant.client_switches += run->client_switches;
  contestant.server_switches += run->server_switches;
  const double mean = run->seconds * 1e9 / static_cast<double>(run->calls);
  contestant.costs.push_back(run->nanos.empty() ? mean : static_cast<double>(LatencyOf(run->nanos).p50));
  return absl::OkStatus();
}

// The ratios of two systems' costs, round by round.
std::optional<Spread> Ratio(const Contestant* above, const Contestant* below) {
  if (above == nullptr || below == nullptr || above == below) return std::nullopt;
  std::vector<double> ratios;
  for (size_t i = 0; i < above->costs.size(); ++i)
    ratios.push_back(above->costs[i] / std::max(below->costs[i], 1.0));
  return SpreadOf(std::move(ratios));
}

const Contestant* Find(const std::vector<Contestant>& contestants, std::string_view name) {
  for (const Contestant& contestant : contestants) {
    if (contestant.system->name == name && contestant.workers != nullptr) return &contestant;
  }
  return nullptr;
}

Measurement Measure(Contestant& contestant, const Case& which, const std::vector<Contestant>& all) {
  Measurement result;
  const double calls = static_cast<double>(contestant.total_calls);
  result.which = which;
  result.system = contestant.system->name;
  result.samples = contestant.nanos.size();
  result.latency = LatencyOf(contestant.nanos);
  result.rounds = contestant.costs.size();
  result.per_second = calls / contestant.seconds;
  result.client_switches_per_call = static_cast<double>(contestant.client_switches) / calls;
  result.server_switches_per_call = static_cast<double>(contestant.server_switches) / calls;
  result.times_floor = Ratio(&contestant, Find(all, contestant.system->floor));
  result.faster_than_peer = Ratio(Find(all, kPeer), &contestant);
  return result;
}

}  // namespace

Outcome Compare(const Case& which, const std::vector<System>& systems, const Effort& effort,
                const Surroundings& surroundings, ScratchDirectory& scratch, ProgressBar& progress) {
  Outcome outcome;
  std::vector<Contestant> contestants;
  contestants.reserve(systems.size());
  for (const System& system : systems) contestants.push_back({.system = &system});

  const auto attempt = [&](Contestant& contestant, const absl::Status& status) {
    progress.Step();
    if (status.ok()) return;
    contestant.workers.reset();
    outcome.failures.push_back({which, contestant.system->name, status});
  };
  for (Contestant& contestant : contestants) {
    if (Interrupted()) return {};
    progress.Tell(contestant.system->name, which);
    attempt(contestant, StartContestant(contestant, which, effort, surroundings, scratch.NewPath()));
  }
  for (int round = 0; round < effort.rounds; ++round) {
    for (size_t turn = 0; turn < contestants.size(); ++turn) {
      if (Interrupted()) return {};
      // Another begins each round, so that none always follows the same one.
      Contestant& contestant = contestants[(turn + static_cast<size_t>(round)) % contestants.size()];
      progress.Tell(contestant.system->name, which);
      if (contestant.workers == nullptr) {
        progress.Step();
      } else {
        attempt(contestant, TakeTurn(contestant, effort));
      }
    }
  }
  for (Contestant& contestant : contestants) {
    if (contestant.workers != nullptr) {
      outcome.measurements.push_back(Measure(contestant, which, contestants));
    }
  }
  return outcome;
}

}  // namespace bench
