// sidecall_bench: how fast Sidecall is, beside the bare primitives that it stands on and the systems that it
// stands beside. See README.md in the directory above.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "comparison.h"
#include "format.h"
#include "goals.h"
#include "interrupt.h"
#include "json_report.h"
#include "machine.h"
#include "progress_bar.h"
#include "scratch_directory.h"
#include "selection.h"
#include "table.h"

namespace bench {
namespace {

constexpr int kInterruptedStatus = 130;

struct CommandLine {
  bool quick = false;
  bool smoke = false;
  bool deadline = false;
  int rounds = 0;
  std::string only;
  std::string json;
};

Effort EffortOf(const CommandLine& arguments) {
  Effort effort;
  if (arguments.quick) effort = {5, absl::Milliseconds(20), 20};
  if (arguments.smoke) effort = {1, absl::ZeroDuration(), 10};
  if (arguments.rounds > 0) effort.rounds = arguments.rounds;
  return effort;
}

void Say(const Machine& machine, const Surroundings& surroundings, const Selection& selection) {
  std::cout << machine.processor << ", " << surroundings.cpus.size()
            << (surroundings.cpus.size() == 1 ? " CPU, " : " CPUs, ") << machine.kernel << ", commit "
            << machine.commit << "\n";
  for (const std::string& line : selection.left_out) std::cout << "left out: " << line << "\n";
  for (const std::string& line : selection.broken) std::cerr << "sidecall_bench: " << line << "\n";
  std::cout << std::endl;
}

// Everything that was measured, printed as it came.
Outcome RunGroups(const Selection& selection, const Effort& effort, const Surroundings& surroundings,
                  ScratchDirectory& scratch) {
  size_t steps = 0;
  for (const Group& group : selection.groups)
    steps += group.systems.size() * static_cast<size_t>(effort.rounds + 1);
  Outcome all;
  ProgressBar progress(steps);
  for (const Group& group : selection.groups) {
    Outcome outcome = Compare(group.which, group.systems, effort, surroundings, scratch, progress);
    if (Interrupted()) break;
    progress.Clear();
    PrintTable(outcome.measurements, std::cout);
    for (const Failure& failure : outcome.failures) {
      std::cerr << "sidecall_bench: " << failure.system << ", " << CaseTitle(failure.which) << ": "
                << failure.status << std::endl;
    }
    all.measurements.insert(all.measurements.end(), outcome.measurements.begin(), outcome.measurements.end());
    all.failures.insert(all.failures.end(), outcome.failures.begin(), outcome.failures.end());
  }
  return all;
}

int RunAll(const CommandLine& arguments) {
  CatchInterrupts();
  Surroundings surroundings;
  surroundings.programs = std::filesystem::read_symlink("/proc/self/exe").parent_path().string();
  surroundings.cpus = AllowedCpus();
  surroundings.deadline = arguments.deadline;
  const Machine machine = DescribeMachine(surroundings.programs);
  const Selection selection = Select(arguments.only, surroundings.programs, surroundings.cpus.size());
  Say(machine, surroundings, selection);
  if (selection.groups.empty()) {
    std::cerr << "sidecall_bench: nothing to run. --list shows what there is." << std::endl;
    return EXIT_FAILURE;
  }
  absl::StatusOr<std::unique_ptr<ScratchDirectory>> scratch = ScratchDirectory::Create();
  if (!scratch.ok()) {
    std::cerr << "sidecall_bench: " << scratch.status() << std::endl;
    return EXIT_FAILURE;
  }
  const Outcome outcome = RunGroups(selection, EffortOf(arguments), surroundings, **scratch);
  if (Interrupted()) return kInterruptedStatus;
  if (!arguments.smoke) PrintGoals(outcome.measurements, std::cout);
  absl::Status written;
  if (!arguments.json.empty()) {
    written = WriteJson(arguments.json, machine, surroundings, outcome.measurements, outcome.failures);
    if (!written.ok()) std::cerr << "sidecall_bench: " << written << std::endl;
  }
  const bool all = outcome.failures.empty() && selection.broken.empty() && written.ok();
  return all ? EXIT_SUCCESS : EXIT_FAILURE;
}

int List() {
  for (const Case& which : AllCases()) {
    for (const System& system : Systems()) {
      if (Runs(system, which)) std::cout << CasePath(system.name, which) << "\n";
    }
  }
  return EXIT_SUCCESS;
}

int Main(int argc, char** argv) {
  CLI::App app("Measures Sidecall beside bare primitives, gRPC and Cap'n Proto, in interleaved rounds.");
  CommandLine arguments;
  bool list = false;
  app.add_flag("--quick", arguments.quick, "Fewer and shorter rounds: under a minute");
  app.add_flag("--smoke", arguments.smoke, "One round of a few calls: does everything run?");
  app.add_flag("--deadline", arguments.deadline, "Give every call of Sidecall and gRPC a deadline");
  app.add_flag("--list", list, "Print what can be run");
  app.add_option("--rounds", arguments.rounds, "So many rounds")->check(CLI::Range(1, 10000));
  app.add_option(
      "--only", arguments.only,
      "What matches this glob, as WORK/SYSTEM/MODE/BYTES or SYSTEM: 'unary/*/hot/16', 'sidecall/shm'");
  app.add_option("--json", arguments.json, "Also write the figures to this file");
  CLI11_PARSE(app, argc, argv);
  return list ? List() : RunAll(arguments);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::Main(argc, argv);
}
