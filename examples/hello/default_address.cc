#include "hello/default_address.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace hello {
namespace {

bool IsPrivateDirectory(const std::string& path) {
  struct stat entry {};
  return lstat(path.c_str(), &entry) == 0 && S_ISDIR(entry.st_mode) && entry.st_uid == geteuid() &&
         (entry.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

}  // namespace

absl::StatusOr<std::string> DefaultAddress() {
  const char* runtime_dir = std::getenv("XDG_RUNTIME_DIR");
  if (runtime_dir != nullptr && IsPrivateDirectory(runtime_dir)) {
    return absl::StrCat("shm:", runtime_dir, "/sidecall-hello");
  }
  const std::string directory = absl::StrCat("/tmp/sidecall-", geteuid());
  mkdir(directory.c_str(), 0700);  // there already, or made now, or refused below
  if (!IsPrivateDirectory(directory)) {
    return absl::FailedPreconditionError(
        absl::StrCat(directory, " is not a directory that you alone can write to. Give an --address"));
  }
  return absl::StrCat("shm:", directory, "/hello");
}

}  // namespace hello
