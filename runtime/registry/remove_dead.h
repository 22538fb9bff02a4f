// What servers that are dead have left in a registry directory, and its removal. A file is dead if it is
// unlocked, and still the one that its name stands for.
//
// REQUIRES of both: this user owns the directory, and its lock is held. They return the paths of the
// registrations that they removed, for LogRemoved.
#ifndef SIDECALL_REGISTRY_REMOVE_DEAD_H_
#define SIDECALL_REGISTRY_REMOVE_DEAD_H_

#include <cstddef>
#include <string>
#include <vector>

#include "registry/registry_directory.h"

namespace sidecall {

// Everything, whatever it costs.
std::vector<std::string> RemoveDead(const RegistryDirectory& directory);

// At each start of a server, which is to cost little however many others there are: so many registrations
// are looked at, those that follow the new server's `id`. Ids are random: each has its turn.
inline constexpr size_t kLookedAtByEachStart = 32;
std::vector<std::string> RemoveSomeDead(const RegistryDirectory& directory, const std::string& id);

// Not while a lock is held: the log is the user's.
void LogRemoved(const std::vector<std::string>& removed);

}  // namespace sidecall

#endif  // SIDECALL_REGISTRY_REMOVE_DEAD_H_
