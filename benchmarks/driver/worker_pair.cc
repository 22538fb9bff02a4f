#include "worker_pair.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "protocol.h"

namespace bench {
namespace {

constexpr absl::Duration kToStart = absl::Seconds(20);
constexpr absl::Duration kToRun = absl::Seconds(60);
constexpr absl::Duration kToAnswer = absl::Seconds(10);
constexpr uint64_t kLongestError = 64 << 10;

enum class Role { kServer, kClient };

absl::Status Annotate(const absl::Status& status, std::string_view who) {
  return absl::Status(status.code(), absl::StrCat(std::string(who), ": ", status.message()));
}

std::vector<int> CpusOf(Role role, const System& system, const Case& which, const std::vector<int>& cpus) {
  if (which.mode == Mode::kOneCore) return {cpus[0]};
  // With polling off nobody looks at the affinity; left alone, the scheduler puts both sides on one CPU.
  if (!system.pinned && which.mode != Mode::kSleeping) return cpus;
  return {role == Role::kClient ? cpus[0] : cpus[1]};
}

absl::StatusOr<std::unique_ptr<Process>> StartWorker(Role role, const System& system, const Case& which,
                                                     const std::string& address,
                                                     const Surroundings& surroundings) {
  const std::string name = role == Role::kClient ? "client" : "server";
  std::vector<std::string> arguments = {
      surroundings.programs + "/" + system.program,
      "--role=" + name,
      "--work=" + which.work,
      "--transport=" + system.transport,
      "--address=" + address,
      "--mode=" + std::string(ModeName(which.mode)),
      "--bytes=" + std::to_string(which.bytes),
  };
  if (system.named) arguments.emplace_back("--named");
  if (system.stalled_stream) arguments.emplace_back("--stalled-stream");
  if (system.deadline || surroundings.deadline) arguments.emplace_back("--deadline");
  absl::StatusOr<std::unique_ptr<Process>> process =
      Process::Start(arguments, CpusOf(role, system, which, surroundings.cpus));
  if (!process.ok()) return process.status();
  char ready = 0;
  absl::Status status = (*process)->Read(&ready, sizeof ready, absl::Now() + kToStart);
  if (status.ok() && ready != kReady) status = absl::InternalError("its first word is not that it is ready");
  if (!status.ok()) return Annotate(status, name);
  return process;
}

}  // namespace

absl::StatusOr<std::unique_ptr<WorkerPair>> WorkerPair::Start(const System& system, const Case& which,
                                                              const std::string& address,
                                                              const Surroundings& surroundings) {
  auto server = StartWorker(Role::kServer, system, which, address, surroundings);
  if (!server.ok()) return server.status();
  auto client = StartWorker(Role::kClient, system, which, address, surroundings);
  if (!client.ok()) return client.status();
  std::unique_ptr<WorkerPair> pair(new WorkerPair(*std::move(server), *std::move(client)));
  pair->client_->Pause();
  pair->server_->Pause();
  return pair;
}

absl::StatusOr<Run> WorkerPair::RunCalls(uint64_t warm_up, uint64_t calls) {
  server_->Resume();
  client_->Resume();
  absl::StatusOr<Run> run = RunResumed(warm_up, calls);
  client_->Pause();
  server_->Pause();
  return run;
}

absl::StatusOr<Run> WorkerPair::RunResumed(uint64_t warm_up, uint64_t calls) {
  if (warm_up > 0) {
    const absl::StatusOr<Run> warm = RunClient(warm_up);
    if (!warm.ok()) return warm.status();
  }
  const absl::StatusOr<int64_t> before = ServerSwitches();
  if (!before.ok()) return before.status();
  absl::StatusOr<Run> run = RunClient(calls);
  if (!run.ok()) return run.status();
  const absl::StatusOr<int64_t> after = ServerSwitches();
  if (!after.ok()) return after.status();
  run->server_switches = *after - *before;
  return run;
}

absl::StatusOr<Run> WorkerPair::RunClient(uint64_t calls) {
  const absl::Time deadline = absl::Now() + kToRun;
  const RunCommand command{calls};
  RunResult result{};
  absl::Status status = client_->Write(&command, sizeof command);
  if (status.ok()) status = client_->Read(&result, sizeof result, deadline);
  if (status.ok() && (result.samples > calls || result.error_bytes > kLongestError)) {
    status = absl::InternalError("its result makes no sense");
  }
  if (!status.ok()) return Annotate(status, "client");
  Run run;
  run.calls = calls;
  run.seconds = static_cast<double>(result.elapsed_nanos) * 1e-9;
  run.client_switches = result.voluntary_switches;
  run.nanos.resize(result.samples);
  std::string error(result.error_bytes, '\0');
  status = client_->Read(run.nanos.data(), run.nanos.size() * sizeof(int64_t), deadline);
  if (status.ok()) status = client_->Read(error.data(), error.size(), deadline);
  if (status.ok() && !error.empty()) status = absl::UnavailableError(error);
  if (!status.ok()) return Annotate(status, "client");
  return run;
}

absl::StatusOr<int64_t> WorkerPair::ServerSwitches() {
  int64_t switches = 0;
  absl::Status status = server_->Write(&kTellSwitches, sizeof kTellSwitches);
  if (status.ok()) status = server_->Read(&switches, sizeof switches, absl::Now() + kToAnswer);
  if (!status.ok()) return Annotate(status, "server");
  return switches;
}

}  // namespace bench
