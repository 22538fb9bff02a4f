#include "worker.h"

#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>

#include "protocol.h"
#include "time_calls.h"

namespace bench {
namespace {

// False at the end of the stream: the driver is gone.
bool ReadFully(void* to, size_t bytes) {
  char* at = static_cast<char*>(to);
  while (bytes > 0) {
    const ssize_t got = read(STDIN_FILENO, at, bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    bytes -= static_cast<size_t>(got);
  }
  return true;
}

bool WriteFully(const void* from, size_t bytes) {
  const char* at = static_cast<const char*>(from);
  while (bytes > 0) {
    const ssize_t put = write(STDOUT_FILENO, at, bytes);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    at += put;
    bytes -= static_cast<size_t>(put);
  }
  return true;
}

int64_t VoluntarySwitches() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_nvcsw;
}

void SayReady() {
  WriteFully(&kReady, sizeof kReady);
}

absl::Status RunClient(WorkerClient& client) {
  SayReady();
  std::vector<int64_t> nanos;
  RunCommand command;
  while (ReadFully(&command, sizeof command)) {
    nanos.clear();
    nanos.reserve(command.calls);
    const int64_t switches = VoluntarySwitches();
    const int64_t start = NowNanos();
    const absl::Status status = client.Run(command.calls, nanos);
    RunResult result{};
    result.elapsed_nanos = NowNanos() - start;
    result.voluntary_switches = VoluntarySwitches() - switches;
    result.samples = nanos.size();
    const std::string error = status.ok() ? std::string() : status.ToString();
    result.error_bytes = error.size();
    if (!WriteFully(&result, sizeof result) || !WriteFully(nanos.data(), nanos.size() * sizeof(int64_t)) ||
        !WriteFully(error.data(), error.size())) {
      break;
    }
  }
  return absl::OkStatus();
}

// Answers the driver beside the thread that serves. Ends the process when the driver closes its end.
void AnswerDriver() {
  char question;
  while (ReadFully(&question, sizeof question)) {
    const int64_t switches = VoluntarySwitches();
    if (!WriteFully(&switches, sizeof switches)) break;
  }
  _exit(EXIT_SUCCESS);
}

absl::Status RunServer(const WorkerOptions& options, const WorkerFunctions& functions) {
  return functions.serve(options, [] {
    SayReady();
    std::thread(&AnswerDriver).detach();
  });
}

}  // namespace

int RunWorker(int argc, char** argv, const WorkerFunctions& functions) {
  CLI::App app("One side of one system under test. Started by sidecall_bench.");
  WorkerOptions options;
  std::string role;
  std::string mode;
  app.add_option("--role", role)->required()->check(CLI::IsMember({"client", "server"}));
  app.add_option("--work", options.work)->required();
  app.add_option("--transport", options.transport)->required();
  app.add_option("--address", options.address)->required();
  app.add_option("--mode", mode)->required();
  app.add_option("--bytes", options.bytes)->required();
  app.add_flag("--deadline", options.deadline);
  app.add_flag("--stalled-stream", options.stalled_stream);
  app.add_flag("--named", options.named);
  CLI11_PARSE(app, argc, argv);

  absl::Status status;
  if (const std::optional<Mode> parsed = ParseMode(mode)) {
    options.mode = *parsed;
    if (role == "server") {
      status = RunServer(options, functions);
    } else {
      absl::StatusOr<std::unique_ptr<WorkerClient>> client = functions.connect(options);
      status = client.ok() ? RunClient(**client) : client.status();
    }
  } else {
    status = absl::InvalidArgumentError("--mode must be hot, sleeping or one_core");
  }
  if (!status.ok()) std::cerr << argv[0] << ": " << role << ": " << status << std::endl;
  // Not exit(): destructors would wait for threads whose peer may already be gone.
  _exit(status.ok() ? EXIT_SUCCESS : EXIT_FAILURE);
}

}  // namespace bench
