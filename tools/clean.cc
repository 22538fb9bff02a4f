#include <cstdio>
#include <vector>

#include "commands.h"
#include "registry/directory_lock.h"
#include "registry/registration_file.h"
#include "registry/registry_directory.h"

namespace sidecall::tools {

absl::Status Clean() {
  auto directory = OpenServersDirectory();
  if (!directory.ok()) return directory.status();
  auto lock = DirectoryLock::Take(*directory);
  if (!lock.ok()) return lock.status();
  const int removed = RemoveDead(*directory);
  std::printf("%s: %d of dead servers removed\n", directory->path().c_str(), removed);
  return absl::OkStatus();
}

}  // namespace sidecall::tools
