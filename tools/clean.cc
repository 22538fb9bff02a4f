#include <cstdio>
#include <string>
#include <vector>

#include "commands.h"
#include "registry/directory_lock.h"
#include "registry/registry_directory.h"
#include "registry/remove_dead.h"

namespace sidecall::tools {

absl::Status Clean() {
  auto directory = OpenServersDirectory();
  if (!directory.ok()) return directory.status();
  auto lock = DirectoryLock::Take(*directory);
  if (!lock.ok()) return lock.status();
  const std::vector<std::string> removed = RemoveDead(*directory);
  std::printf("%s: %zu registrations of dead servers removed\n", directory->path().c_str(), removed.size());
  return absl::OkStatus();
}

}  // namespace sidecall::tools
