#include "core/fork_guard.h"

#include <pthread.h>

#include "absl/strings/str_cat.h"

namespace sidecall {

uint64_t ForkGuard::current_generation = 0;

ForkGuard::ForkGuard() {
  // In the child only the forking thread exists: no race.
  static const int registered = pthread_atfork(nullptr, nullptr, [] { current_generation++; });
  (void)registered;
  generation_ = current_generation;
}

absl::Status ForkGuard::Error(const char* what) {
  return absl::FailedPreconditionError(
      absl::StrCat(what, " was made before fork(): it is the parent's. Make a new one in the child"));
}

}  // namespace sidecall
