// Restarts: when a program that ends soon after its start, time and again, may be started anew.
//
// Thread-safety: any thread.
#ifndef SIDECALL_TRANSPORTS_EXEC_RESTARTS_H_
#define SIDECALL_TRANSPORTS_EXEC_RESTARTS_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "transports/exec/child.h"
#include "transports/exec/child_command.h"

namespace sidecall {

class Restarts {
 public:
  // One that was started, of whose end Next learns.
  void Add(std::shared_ptr<ChildRecord> child);
  // When the next may be started, as MonotonicNanos: now, where the last lived for 10 s or more; else 100 ms
  // after its end, twice as long after each further one, up to 6.4 s. FAILED_PRECONDITION where more than
  // `max_restarts` in a row have ended sooner. Of one that is ending it awaits the end (AwaitEnd).
  absl::StatusOr<int64_t> Next(const ChildCommand& command, int64_t deadline_nanos);
  // "/usr/lib/plugin (pid 4242) exited with status 1", of the last that ended; or nothing.
  std::string LastEnd() const;

 private:
  void NoteEnds(int64_t deadline_nanos);

  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<ChildRecord>> started_;
  int quick_ends_ = 0;  // in a row
  int64_t last_end_nanos_ = 0;
  std::string last_end_;
};

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_EXEC_RESTARTS_H_
