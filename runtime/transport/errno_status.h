// The one place where an errno becomes a status.
#ifndef SIDECALL_TRANSPORT_ERRNO_STATUS_H_
#define SIDECALL_TRANSPORT_ERRNO_STATUS_H_

#include <string_view>

#include "absl/status/status.h"

namespace sidecall {

// "`what`: No such file or directory. `mend`": who and what failed, why, and what to do where `mend` is
// given.
absl::Status ErrnoStatus(int error, std::string_view what, std::string_view mend = {});

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORT_ERRNO_STATUS_H_
