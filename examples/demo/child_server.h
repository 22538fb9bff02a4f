// ChildServer: a hello_server that runs as a child process for as long as this object lives.
#ifndef SIDECALL_EXAMPLES_DEMO_CHILD_SERVER_H_
#define SIDECALL_EXAMPLES_DEMO_CHILD_SERVER_H_

#include <sys/types.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace demo {

class ChildServer {
 public:
  // Runs `program` --address=`address`, and returns once it listens there. Errors: DEADLINE_EXCEEDED (it did
  // not within ten seconds), ABORTED (it ended instead), INTERNAL (what the kernel said).
  static absl::StatusOr<std::unique_ptr<ChildServer>> Start(const std::string& program,
                                                            const std::string& address);
  // Kills it, where Stop was not called.
  ~ChildServer();
  ChildServer(const ChildServer&) = delete;
  ChildServer& operator=(const ChildServer&) = delete;

  // Asks it to end, waits, and reaps it. ABORTED where it did not end cleanly within ten seconds.
  absl::Status Stop();

 private:
  ChildServer(pid_t pid, int output) : pid_(pid), output_(output) {}
  absl::Status AwaitLine(const std::string& expected) const;

  pid_t pid_;   // -1 once reaped
  int output_;  // the reading end of its standard output; hangs up when it ends
};

}  // namespace demo

#endif  // SIDECALL_EXAMPLES_DEMO_CHILD_SERVER_H_
