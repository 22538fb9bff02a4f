// OwnerLock: shows other processes whose a file is, for as long as its process lives. For transports whose
// connections carry no identity and do not tell of a peer's death.
//
// It is a classic fcntl lock: a forked child does not inherit it, F_GETLK names its holder, and nobody can
// set it who cannot open the file. The kernel drops it when its process closes any descriptor of the file: in
// this process nobody may open the file to look. OwnerOf does not.
#ifndef SIDECALL_TRANSPORT_OWNER_LOCK_H_
#define SIDECALL_TRANSPORT_OWNER_LOCK_H_

#include <sys/stat.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "sidecall/peer_identity.h"
#include "transport/unique_fd.h"

namespace sidecall {

class OwnerLock {
 public:
  // Takes `file`, open for writing, and the lock on it. ALREADY_EXISTS where another process has that.
  // REQUIRES: no other OwnerLock of this process is on that file: `file` is closed where this fails, and the
  // kernel would drop the other's lock with it.
  static absl::StatusOr<std::unique_ptr<OwnerLock>> Take(UniqueFd file);
  ~OwnerLock();
  OwnerLock(const OwnerLock&) = delete;
  OwnerLock& operator=(const OwnerLock&) = delete;

  int file() const { return file_.get(); }

 private:
  OwnerLock(UniqueFd file, dev_t device, ino_t inode)
      : file_(std::move(file)), device_(device), inode_(inode), process_(getpid()) {}

  UniqueFd file_;
  const dev_t device_;
  const ino_t inode_;
  const pid_t process_;
};

// Makes a plain file of this user's own at `path`, in place of a dead one's, with its OwnerLock. The caller
// has the PathLock, so that nobody else does the same. ALREADY_EXISTS where a live process locked it first.
absl::StatusOr<std::unique_ptr<OwnerLock>> MakeOwnedFile(const std::string& path);

// Makes a FIFO of this user's own at `path`, which has its OwnerLock as soon as it has that name (until then
// it has another, "<path>.new"). The lock's file is open for reading and writing. ALREADY_EXISTS.
absl::StatusOr<std::unique_ptr<OwnerLock>> MakeOwnedFifo(const std::string& path);

// Whose a file is.
struct FileOwner {
  // Who made it, and the process that has its lock; without pid where that is of another pid namespace.
  PeerIdentity identity;
  // The pidfd of that process; none where it is this one, or has no pid here.
  UniqueFd process;
};

// Of the file of `type` (S_IFREG, S_IFIFO) at `path`, which must be this user's own. Errors: NOT_FOUND (no
// file), UNAVAILABLE (nobody's any more, or replaced while it was looked at), PERMISSION_DENIED (another user
// made it), ALREADY_EXISTS (it is of another type), RESOURCE_EXHAUSTED.
absl::StatusOr<FileOwner> OwnerOf(const std::string& path, mode_t type);

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORT_OWNER_LOCK_H_
