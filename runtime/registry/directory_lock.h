// DirectoryLock: held while names are made or removed in a registry directory, so that what is new is never
// taken for dead. Its file is nobody's to open but the owner's.
#ifndef SIDECALL_REGISTRY_DIRECTORY_LOCK_H_
#define SIDECALL_REGISTRY_DIRECTORY_LOCK_H_

#include <sys/types.h>

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "registry/child_closed_file.h"
#include "registry/registry_directory.h"

namespace sidecall {

class DirectoryLock {
 public:
  // Waits up to two seconds for who holds it: a process that is stopped is not to stop others for ever.
  // UNAVAILABLE after that.
  static absl::StatusOr<DirectoryLock> Take(const RegistryDirectory& directory);
  DirectoryLock(DirectoryLock&&) = default;
  DirectoryLock& operator=(DirectoryLock&&) = default;
  ~DirectoryLock();

 private:
  explicit DirectoryLock(std::unique_ptr<ChildClosedFile> file) : file_(std::move(file)) {}
  std::unique_ptr<ChildClosedFile> file_;
};

// Tries for a lock of `type` (F_RDLCK, F_WRLCK) on the open file's description. False where others have it.
bool TryLock(int file, short type);
// The same for one byte of it, which need not be there.
bool TryLockByte(int file, short type, off_t byte);
void Unlock(int file);

}  // namespace sidecall

#endif  // SIDECALL_REGISTRY_DIRECTORY_LOCK_H_
