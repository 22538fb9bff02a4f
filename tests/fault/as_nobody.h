// What another user does: uid 65534, which a process of root may become.
#ifndef SIDECALL_TESTS_FAULT_AS_NOBODY_H_
#define SIDECALL_TESTS_FAULT_AS_NOBODY_H_

#include <sys/types.h>

#include "absl/functional/function_ref.h"

namespace fault {

inline constexpr uid_t kNobody = 65534;

// This process is that user's from now on, for good. False without the privilege.
bool BecomeNobody();

// Runs `deed` in a child of that user, which may do system calls and no more. Whether it returned true.
bool AsNobody(absl::FunctionRef<bool()> deed);

}  // namespace fault

#endif  // SIDECALL_TESTS_FAULT_AS_NOBODY_H_
