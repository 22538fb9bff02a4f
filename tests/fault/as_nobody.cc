#include "as_nobody.h"

#include <grp.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace fault {

bool BecomeNobody() {
  if (setgroups(0, nullptr) != 0 || setresgid(kNobody, kNobody, kNobody) != 0 ||
      setresuid(kNobody, kNobody, kNobody) != 0) {
    return false;
  }
  // A process that has changed its user may not look at itself: sanitizers do.
  return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0;
}

bool AsNobody(absl::FunctionRef<bool()> deed) {
  const pid_t child = fork();
  if (child == 0) _exit(BecomeNobody() && deed() ? 0 : 1);
  int ended = 0;
  return child > 0 && waitpid(child, &ended, 0) == child && WIFEXITED(ended) && WEXITSTATUS(ended) == 0;
}

}  // namespace fault
