#include "transport/path_lock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "transport/errno_status.h"

namespace sidecall {

bool HasName(int descriptor, const std::string& path) {
  struct stat held {};
  struct stat named {};
  return fstat(descriptor, &held) == 0 && lstat(path.c_str(), &named) == 0 && held.st_dev == named.st_dev &&
         held.st_ino == named.st_ino;
}

absl::StatusOr<PathLock> PathLock::Take(const std::string& path) {
  const std::string name = path + ".lock";
  for (int attempt = 0; attempt < 1000; attempt++) {
    UniqueFd fd(open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd.valid())
      return ErrnoStatus(
          errno, "make " + name,
          errno == ENOENT ? "Make its directory first" : "The server needs to write in that directory");
    struct flock lock {};
    lock.l_type = F_WRLCK;
    if (fcntl(fd.get(), F_OFD_SETLK, &lock) != 0) {
      if (errno != EAGAIN && errno != EACCES && errno != EINTR) return ErrnoStatus(errno, "lock " + name);
      usleep(1000);  // Another server comes or goes, which is quickly done.
      continue;
    }
    // The one before may have removed the file that we waited for.
    if (HasName(fd.get(), name)) return PathLock(std::move(fd), name);
  }
  return absl::UnavailableError("lock " + name +
                                ": somebody else holds it, and for longer than it takes to begin to "
                                "listen. Find who (lsof), or remove the file");
}

PathLock::~PathLock() {
  if (fd_.valid()) unlink(name_.c_str());
}

}  // namespace sidecall
