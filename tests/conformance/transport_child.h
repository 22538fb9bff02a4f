// ChildProcess: this program once more, as the peer of a test.
#ifndef SIDECALL_TESTS_CONFORMANCE_TRANSPORT_CHILD_H_
#define SIDECALL_TESTS_CONFORMANCE_TRANSPORT_CHILD_H_

#include <sys/types.h>

#include <string>

#include "tests/conformance/transport_end.h"
#include "transport/unique_fd.h"

namespace sidecall {

class ChildProcess {
 public:
  // `role`: "serve" listens at `address`; "connect" connects to it. Either echoes what it receives on one
  // connection.
  ChildProcess(const std::string& role, const std::string& address);
  // Kills it, if it still runs.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // Until it listens, or is connected. False where it ended, or said nothing before the deadline.
  bool AwaitReady();
  // SIGKILL, and until it is gone.
  void Kill();
  // Until it ends by itself; its exit code, or -1.
  int AwaitExit();
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  UniqueFd ready_;
};

// A child of the ChildProcess at the other side of `end`, which has all of its descriptors, and lives until
// the end of the scope.
class ChildsHeir {
 public:
  explicit ChildsHeir(End& end);
  ~ChildsHeir();
  ChildsHeir(const ChildsHeir&) = delete;
  ChildsHeir& operator=(const ChildsHeir&) = delete;
  bool lives() const;

 private:
  pid_t pid_ = -1;
};

// What main() does where the program is started as a child.
int RunAsChild(const std::string& role, const std::string& address, int ready_fd);

}  // namespace sidecall

#endif  // SIDECALL_TESTS_CONFORMANCE_TRANSPORT_CHILD_H_
