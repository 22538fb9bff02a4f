// The one table from errno to status.
#include "transport/errno_status.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

namespace sidecall {
namespace {

TEST(ErrnoStatus, Codes) {
  const std::vector<std::pair<int, absl::StatusCode>> table = {
      {EACCES, absl::StatusCode::kPermissionDenied},
      {EPERM, absl::StatusCode::kPermissionDenied},
      {ENOENT, absl::StatusCode::kNotFound},
      {ENOTDIR, absl::StatusCode::kNotFound},
      {EADDRINUSE, absl::StatusCode::kAlreadyExists},
      {EEXIST, absl::StatusCode::kAlreadyExists},
      {EINVAL, absl::StatusCode::kInvalidArgument},
      {ENAMETOOLONG, absl::StatusCode::kInvalidArgument},
      {ELOOP, absl::StatusCode::kInvalidArgument},
      {EMFILE, absl::StatusCode::kResourceExhausted},
      {ENFILE, absl::StatusCode::kResourceExhausted},
      {ENOMEM, absl::StatusCode::kResourceExhausted},
      {ENOBUFS, absl::StatusCode::kResourceExhausted},
      {ENOSPC, absl::StatusCode::kResourceExhausted},
      {ECONNREFUSED, absl::StatusCode::kUnavailable},
      {ECONNRESET, absl::StatusCode::kUnavailable},
      {EPIPE, absl::StatusCode::kUnavailable},
      {EAGAIN, absl::StatusCode::kUnavailable},
      {ETIMEDOUT, absl::StatusCode::kDeadlineExceeded},
      {ENOSYS, absl::StatusCode::kUnimplemented},
      {EOPNOTSUPP, absl::StatusCode::kUnimplemented},
      {EIO, absl::StatusCode::kInternal},
      {EBADF, absl::StatusCode::kInternal},
  };
  for (const auto& [error, code] : table) EXPECT_EQ(ErrnoStatus(error, "it").code(), code) << error;
}

TEST(ErrnoStatus, SaysWhatWhyAndTheMend) {
  EXPECT_EQ(std::string(ErrnoStatus(ENOENT, "open /x").message()), "open /x: No such file or directory");
  EXPECT_EQ(std::string(ErrnoStatus(ENOENT, "open /x", "Make it").message()),
            "open /x: No such file or directory. Make it");
}

TEST(ErrnoStatus, FullDescriptorTableNamesItsLimit) {
  EXPECT_EQ(std::string(ErrnoStatus(EMFILE, "socket").message()),
            "socket: Too many open files. Raise the limit of open files (ulimit -n)");
}

TEST(ErrnoStatus, NumberThatIsNoErrno) {
  EXPECT_EQ(std::string(ErrnoStatus(99999, "it").message()), "it: unknown error");
}

}  // namespace
}  // namespace sidecall
