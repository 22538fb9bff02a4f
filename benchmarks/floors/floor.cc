// bench_floor: the worker of every floor.
#include "floor.h"

#include <array>
#include <string_view>

#include "stream_work.h"
#include "window_work.h"

namespace bench {
namespace {

struct Floor {
  std::string_view transport;
  WorkerFunctions functions;
};

constexpr std::array kFloors = {
    Floor{"shm", {&ConnectShm, &ServeShm}},
    Floor{"unix", {&ConnectUnix, &ServeUnix}},
    Floor{"pipe", {&ConnectPipe, &ServePipe}},
    Floor{"mqueue", {&ConnectMqueue, &ServeMqueue}},
};

absl::StatusOr<WorkerFunctions> Find(const WorkerOptions& options) {
  if (options.work != "unary" && !IsStreamWork(options.work) && !IsWindowWork(options.work))
    return absl::UnimplementedError("bench_floor does no " + options.work);
  for (const Floor& floor : kFloors) {
    if (floor.transport == options.transport) return floor.functions;
  }
  return absl::UnimplementedError("bench_floor knows no transport " + options.transport);
}

absl::StatusOr<std::unique_ptr<WorkerClient>> Connect(const WorkerOptions& options) {
  const absl::StatusOr<WorkerFunctions> functions = Find(options);
  if (!functions.ok()) return functions.status();
  return functions->connect(options);
}

absl::Status Serve(const WorkerOptions& options, const std::function<void()>& ready) {
  const absl::StatusOr<WorkerFunctions> functions = Find(options);
  if (!functions.ok()) return functions.status();
  return functions->serve(options, ready);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::RunWorker(argc, argv, {&bench::Connect, &bench::Serve});
}
