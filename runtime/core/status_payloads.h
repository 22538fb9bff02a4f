// What RPC adds to an absl::Status, kept as its payloads.
#ifndef SIDECALL_CORE_STATUS_PAYLOADS_H_
#define SIDECALL_CORE_STATUS_PAYLOADS_H_

#include <string_view>

#include "absl/status/status.h"

namespace sidecall {

void SetStatusDetails(absl::Status& status, std::string_view details);

// Says that the call certainly reached no handler. No effect on OK.
void MarkNotSent(absl::Status& status);
absl::Status NotSent(absl::Status status);
// The same status, sharing nothing with `status`: for another thread. What copies share is counted in
// abseil's library, where ThreadSanitizer does not see it.
absl::Status OwnCopy(const absl::Status& status);
// A handler's own call may not have been sent; the one that it serves was.
absl::Status WithoutNotSent(absl::Status status);

}  // namespace sidecall

#endif  // SIDECALL_CORE_STATUS_PAYLOADS_H_
