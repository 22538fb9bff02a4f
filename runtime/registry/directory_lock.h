// DirectoryLock: held while names are made or removed in a registry directory, so that what is new is never
// taken for dead. Its file is nobody's to open but the owner's.
#ifndef SIDECALL_REGISTRY_DIRECTORY_LOCK_H_
#define SIDECALL_REGISTRY_DIRECTORY_LOCK_H_

#include <utility>

#include "absl/status/statusor.h"
#include "registry/registry_directory.h"
#include "transport/unique_fd.h"

namespace sidecall {

class DirectoryLock {
 public:
  // Waits up to two seconds for who holds it: a process that is stopped is not to stop others for ever.
  // UNAVAILABLE after that.
  static absl::StatusOr<DirectoryLock> Take(const RegistryDirectory& directory);

 private:
  explicit DirectoryLock(UniqueFd file) : file_(std::move(file)) {}
  UniqueFd file_;  // closed, it is unlocked
};

// Tries for a lock of `type` (F_RDLCK, F_WRLCK) on the open file's description. False where others have it.
bool TryLock(int file, short type);

}  // namespace sidecall

#endif  // SIDECALL_REGISTRY_DIRECTORY_LOCK_H_
