#include "transport/errno_status.h"

#include <cerrno>
#include <cstring>
#include <string>

namespace sidecall {
namespace {

absl::StatusCode CodeOf(int error) {
  switch (error) {
    case EACCES:
    case EPERM:
      return absl::StatusCode::kPermissionDenied;
    case ENOENT:
    case ENOTDIR:
      return absl::StatusCode::kNotFound;
    case EADDRINUSE:
    case EEXIST:
      return absl::StatusCode::kAlreadyExists;
    case EINVAL:
    case ENAMETOOLONG:
    case ELOOP:
      return absl::StatusCode::kInvalidArgument;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
    case ENOSPC:
    case ETOOMANYREFS:  // descriptors under way in sockets
      return absl::StatusCode::kResourceExhausted;
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
    case EAGAIN:
      return absl::StatusCode::kUnavailable;
    case ETIMEDOUT:
      return absl::StatusCode::kDeadlineExceeded;
    case ENOSYS:
    case EOPNOTSUPP:
      return absl::StatusCode::kUnimplemented;
    default:
      return absl::StatusCode::kInternal;
  }
}

}  // namespace

absl::Status ErrnoStatus(int error, std::string_view what, std::string_view mend) {
  std::string message(what);
  message += ": ";
  message += strerrordesc_np(error) != nullptr ? strerrordesc_np(error) : "unknown error";
  if (error == EMFILE && mend.empty()) mend = "Raise the limit of open files (ulimit -n)";
  if (!mend.empty()) {
    message += ". ";
    message += mend;
  }
  return {CodeOf(error), message};
}

}  // namespace sidecall
