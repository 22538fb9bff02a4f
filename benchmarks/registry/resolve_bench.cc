// bench_resolve: what it costs a client to find the servers of one service, in registries with few others and
// with many.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "registry/own_registration.h"
#include "registry/resolver.h"

namespace {

using sidecall::OwnRegistration;

constexpr int kRounds = 200;
constexpr int kLooksEachRound = 20;
constexpr double kGoal = 2;

// A registry of its own, with so many servers of so many services each; "bench.S0" is served by one of them.
class Registry {
 public:
  static absl::StatusOr<std::unique_ptr<Registry>> Make(const std::string& path, int servers, int services) {
    std::unique_ptr<Registry> made(new Registry(path));
    setenv("SIDECALL_DIR", path.c_str(), 1);
    for (int server = 0; server < servers; server++) {
      auto directory = sidecall::OpenServersDirectory();
      if (!directory.ok()) return directory.status();
      auto own = OwnRegistration::Reserve(*std::move(directory));
      if (!own.ok()) return own.status();
      sidecall_registry::Registration content;
      for (int service = 0; service < services; service++) {
        auto& entry = *content.add_services();
        entry.set_name(absl::StrCat("bench.S", server * services + service));
        for (const char* scheme : {"shm", "unix"}) {
          entry.add_addresses(absl::StrCat(scheme, ":", path, "/sockets/", (*own)->id(), ".", scheme));
        }
      }
      absl::Status published = (*own)->Publish(std::move(content));
      if (!published.ok()) return published;
      made->servers_.push_back(*std::move(own));
    }
    return made;
  }

  // Microseconds that a look takes.
  double Look() {
    const auto began = std::chrono::steady_clock::now();
    for (int look = 0; look < kLooksEachRound; look++) {
      const auto found =
          sidecall::Resolve({.service = "bench.S0", .instance = "", .labels = {}}, {{path_, {geteuid()}}});
      if (found.servers.size() != 1) return -1;
    }
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - began;
    return took.count() / kLooksEachRound;
  }

 private:
  explicit Registry(std::string path) : path_(std::move(path)) {}
  const std::string path_;
  std::vector<std::unique_ptr<OwnRegistration>> servers_;
};

struct Case {
  const char* name;
  int servers;
  int services;
  std::unique_ptr<Registry> registry = nullptr;
  std::vector<double> looks = {};
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Each has its turn in each round: ratios of one round are of one mood of the machine.
absl::Status Measure(std::vector<Case>& cases, const std::string& scratch) {
  for (Case& each : cases) {
    auto registry = Registry::Make(absl::StrCat(scratch, "/", each.servers, "-", each.services), each.servers,
                                   each.services);
    if (!registry.ok()) return registry.status();
    each.registry = *std::move(registry);
  }
  for (int round = 0; round < kRounds; round++) {
    for (Case& each : cases) {
      each.looks.push_back(each.registry->Look());
      if (each.looks.back() < 0)
        return absl::InternalError(absl::StrCat(each.name, ": bench.S0 was not found"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

int main() {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  char scratch[] = "/tmp/sidecall-bench-XXXXXX";
  if (mkdtemp(scratch) == nullptr) return std::perror(scratch), 1;
  absl::Status status;
  {
    std::vector<Case> cases;
    cases.push_back({.name = "10 servers of one service", .servers = 10, .services = 1});
    cases.push_back({.name = "1,000 servers of one service", .servers = 1000, .services = 1});
    cases.push_back({.name = "one server of 10 services", .servers = 1, .services = 10});
    cases.push_back({.name = "one server of 1,000 services", .servers = 1, .services = 1000});
    status = Measure(cases, scratch);
    if (status.ok()) {
      std::printf("%-32s %10s  %s\n", "to find one service among", "median", "x few (goal: at most 2)");
      for (size_t i = 0; i < cases.size(); i++) {
        std::vector<double> ratios;
        for (int round = 0; round < kRounds; round++) {
          ratios.push_back(cases[i].looks[static_cast<size_t>(round)] /
                           cases[i & ~size_t{1}].looks[static_cast<size_t>(round)]);
        }
        const double ratio = Median(ratios);
        std::printf("%-32s %7.1f us  %.2f%s\n", cases[i].name, Median(cases[i].looks), ratio,
                    ratio <= kGoal ? "" : "  not met");
      }
    }
  }
  std::filesystem::remove_all(scratch);
  if (status.ok()) return 0;
  std::fprintf(stderr, "bench_resolve: %s\n", status.ToString().c_str());
  return 1;
}
