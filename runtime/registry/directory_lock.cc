#include "registry/directory_lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "registry/registration_file.h"
#include "transport/errno_status.h"

namespace sidecall {

bool TryLock(int file, short type) {
  struct flock lock {};
  lock.l_type = type;
  return fcntl(file, F_OFD_SETLK, &lock) == 0;
}

bool TryLockByte(int file, short type, off_t byte) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_start = byte;
  lock.l_len = 1;
  return fcntl(file, F_OFD_SETLK, &lock) == 0;
}

void Unlock(int file) {
  struct flock lock {};
  lock.l_type = F_UNLCK;
  fcntl(file, F_OFD_SETLK, &lock);
}

absl::StatusOr<DirectoryLock> DirectoryLock::Take(const RegistryDirectory& directory) {
  const std::string path = directory.path() + "/lock";
  constexpr int kAttempts = 2000;
  for (int attempt = 0; attempt < kAttempts; attempt++) {
    auto file = std::make_unique<ChildClosedFile>([&] {
      return UniqueFd(openat(directory.descriptor(), "lock",
                             O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
    });
    if (file->get() < 0) {
      return ErrnoStatus(errno, "make " + path,
                         errno == EACCES || errno == EROFS
                             ? "Servers need to write there: set SIDECALL_DIR to another directory"
                             : "");
    }
    // Somebody may have removed it meanwhile: then others lock another.
    if (TryLock(file->get(), F_WRLCK)) {
      if (StandsFor(directory.descriptor(), "lock", file->get())) return DirectoryLock(std::move(file));
    } else if (errno != EAGAIN && errno != EACCES && errno != EINTR) {
      return ErrnoStatus(errno, "lock " + path);
    }
    usleep(1000);
  }
  return absl::UnavailableError(absl::StrCat(
      "lock ", path, ": somebody else holds it, and for longer than it takes to register. Find who (lsof)"));
}

DirectoryLock::~DirectoryLock() {
  if (file_ != nullptr && file_->get() >= 0) Unlock(file_->get());
}

}  // namespace sidecall
