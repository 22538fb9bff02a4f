#include "machine.h"

#include <sched.h>
#include <sys/utsname.h>

#include <cstdlib>
#include <fstream>
#include <memory>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "process.h"

namespace bench {
namespace {

std::string Processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("model name", 0) != 0) continue;
    const size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

std::string Kernel() {
  utsname names{};
  return uname(&names) == 0 ? std::string(names.sysname) + " " + names.release : "unknown";
}

std::string Compiler() {
#if defined(__clang__)
  return std::string("clang ") + __clang_version__;
#else
  return std::string("gcc ") + __VERSION__;
#endif
}

std::string Commit(const std::string& programs) {
  const absl::StatusOr<std::unique_ptr<Process>> git = Process::Start(
      {"/usr/bin/git", "-C", programs, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"},
      AllowedCpus(), Process::Errors::kDropped);
  if (!git.ok()) return "unknown";
  constexpr size_t kMostBytes = 80;
  std::string commit;
  for (char next; commit.size() < kMostBytes;) {
    if (!(*git)->Read(&next, 1, absl::Now() + absl::Seconds(10)).ok() || next == '\n') break;
    commit += next;
  }
  return commit.empty() ? "unknown" : commit;
}

}  // namespace

Machine DescribeMachine(const std::string& programs) {
  Machine machine;
  machine.processor = Processor();
  machine.kernel = Kernel();
  machine.compiler = Compiler();
  machine.commit = Commit(programs);
  machine.date = absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::Now(), absl::UTCTimeZone());
  getloadavg(&machine.load_average, 1);
  return machine;
}

std::vector<int> AllowedCpus() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  sched_getaffinity(0, sizeof allowed, &allowed);
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(static_cast<size_t>(cpu), &allowed)) cpus.push_back(cpu);
  }
  return cpus;
}

}  // namespace bench
