// Statuses: absl::Status everywhere, plus the two things that RPC adds to one.
//
//   absl::Status status = stub.SayHello(&context, request, &reply);
//   if (sidecall::IsNotSent(status)) Retry();              // the server never saw the call
//   std::string details(sidecall::StatusDetails(status));  // bytes that the server attached
//
// Thread-safety: free functions on values.
#ifndef SIDECALL_STATUS_H_
#define SIDECALL_STATUS_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace sidecall {

// The message of `status`. (Debian's absl::string_view is not std::string_view; this is the one conversion.)
std::string_view StatusMessage(const absl::Status& status);

// A status of `code` with `message`, and binary details that travel with it to the caller, as the third
// argument of grpc::Status does (usually a serialized google.rpc.Status).
absl::Status StatusWithDetails(absl::StatusCode code, std::string_view message, std::string_view details);

// The binary details of `status`; empty where it has none.
std::string StatusDetails(const absl::Status& status);

// True where the call that returned `status` certainly never reached a handler: it is safe to send again.
// False means that its outcome is unknown, or was told by the server.
bool IsNotSent(const absl::Status& status);

}  // namespace sidecall

#endif  // SIDECALL_STATUS_H_
