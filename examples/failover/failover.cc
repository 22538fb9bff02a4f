// failover: two servers of one service, under load, of which one ends again and again; and what became of the
// calls.
#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>
#include <string>

#include "absl/strings/str_format.h"
#include "failover/load.h"
#include "failover/shop_server.h"

namespace shop {
namespace {

struct Scenario {
  const char* name;
  ShopMethod method;
  const char* how_it_ends;
  int signal;
  bool may_lose_calls;
};

constexpr Scenario kScenarios[] = {
    {"Place", &Shop::Stub::Place, "is killed", SIGKILL, true},
    {"Place", &Shop::Stub::Place, "shuts down", SIGTERM, false},
    {"Track", &Shop::Stub::Track, "is killed", SIGKILL, false},
};

struct Plan {
  int rounds = 10;
  int threads = 4;
};

// Prints one row of the table. ABORTED where calls ended as they must not.
absl::Status Play(const Scenario& scenario, const Plan& plan, ShopServer& ends, const ShopServer& stays) {
  constexpr int kCalls = 1000;
  Load load(scenario.method, plan.threads);
  absl::Status status = load.AwaitAnswersOf(ends.name(), kCalls);
  for (int round = 0; round < plan.rounds && status.ok(); round++) {
    status = ends.End(scenario.signal);
    status.Update(load.AwaitAnswersOf(stays.name(), kCalls));
    status.Update(ends.Start());
    status.Update(load.AwaitAnswersOf(ends.name(), kCalls));
  }
  const Outcomes outcomes = load.Stop();
  std::cout << absl::StreamFormat("%-6s  %-10s  %8d  %10d  %15d  %6d", scenario.name, scenario.how_it_ends,
                                  outcomes.answered, outcomes.sent_again, outcomes.outcome_unknown,
                                  outcomes.failed)
            << std::endl;
  if (!status.ok()) return status;
  // Each thread has one call in flight.
  const int64_t unavoidable = scenario.may_lose_calls ? int64_t{plan.rounds} * plan.threads : 0;
  if (outcomes.failed == 0 && outcomes.outcome_unknown <= unavoidable) return absl::OkStatus();
  return absl::AbortedError("there are calls that ended as they must not");
}

absl::Status Run(const Plan& plan) {
  ShopServer left("left");
  ShopServer right("right");
  absl::Status status = left.Start();
  status.Update(right.Start());
  std::cout << "method  left        answered  sent again  outcome unknown  failed" << std::endl;
  for (const Scenario& scenario : kScenarios) {
    if (status.ok()) status = Play(scenario, plan, left, right);
  }
  status.Update(left.End(SIGTERM));
  status.Update(right.End(SIGTERM));
  return status;
}

}  // namespace
}  // namespace shop

int main(int argc, char** argv) {
  CLI::App app("Ends one of two servers under load, and counts what becomes of the calls.");
  shop::Plan plan;
  std::string serve;
  app.add_option("--rounds", plan.rounds, "How often it ends, in each way")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000000));
  app.add_option("--threads", plan.threads, "That call")->capture_default_str()->check(CLI::Range(1, 1000));
  app.add_option("--serve", serve, "Be one of the servers, of this name");
  CLI11_PARSE(app, argc, argv);

  const absl::Status status = serve.empty() ? shop::Run(plan) : shop::Serve(serve);
  if (status.ok()) return 0;
  std::cerr << "failover: " << status << std::endl;
  return 1;
}
