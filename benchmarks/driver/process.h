// Process: a child that is spoken to over its stdin and stdout. It never outlives this program, whatever ends
// it.
//
// Thread-safety: one thread, the one that lives longest: children die with the thread that made them.
#ifndef SIDECALL_BENCHMARKS_DRIVER_PROCESS_H_
#define SIDECALL_BENCHMARKS_DRIVER_PROCESS_H_

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace bench {

class Process {
 public:
  enum class Errors { kShown, kDropped };

  // Runs `arguments`, whose first is the path of the program, on `cpus` and no other. `errors`: its stderr.
  static absl::StatusOr<std::unique_ptr<Process>> Start(const std::vector<std::string>& arguments,
                                                        const std::vector<int>& cpus,
                                                        Errors errors = Errors::kShown);
  // Kills and reaps it.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // All `bytes` or an error: UNAVAILABLE, with how it ended, where the process is gone; DEADLINE_EXCEEDED;
  // CANCELLED by an interrupt. Write is for a few bytes, which always fit.
  absl::Status Write(const void* from, size_t bytes);
  absl::Status Read(void* to, size_t bytes, absl::Time deadline);

  // Between Pause and Resume it uses no CPU, whatever it does.
  void Pause();
  void Resume();

 private:
  Process(pid_t pid, int to_child, int from_child)
      : pid_(pid), to_child_(to_child), from_child_(from_child) {}
  absl::Status Gone();

  pid_t pid_;
  const int to_child_;
  const int from_child_;
};

}  // namespace bench

#endif  // SIDECALL_BENCHMARKS_DRIVER_PROCESS_H_
