#include "registry/remove_dead.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <set>

#include "absl/strings/str_cat.h"
#include "registry/registration_file.h"
#include "transport/logging.h"
#include "transport/unix_socket.h"

namespace sidecall {
namespace {

bool IsDead(int directory, const std::string& name) {
  const UniqueFd file(openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file.valid()) return errno == ELOOP;  // A symbolic link is nobody's.
  return !IsWriteLocked(file.get()) && StandsFor(directory, name, file.get());
}

// Removes the name of a server from a service's, and the service where it is left without any.
void RemoveLink(const RegistryDirectory& directory, const std::string& service, const std::string& name) {
  const std::string link = absl::StrCat(ServicePath(service), "/", name);
  if (IsDead(directory.descriptor(), link)) unlinkat(directory.descriptor(), link.c_str(), 0);
  unlinkat(directory.descriptor(), ServicePath(service).c_str(), AT_REMOVEDIR);  // Where it is empty.
}

// All of the dead in services/, also those without a registration.
void RemoveLinks(const RegistryDirectory& directory) {
  auto services = directory.OpenSub("services");
  if (!services.ok()) return;
  for (const std::string& service : NamesIn(services->get())) {
    auto folder = directory.OpenSub(ServicePath(service));
    if (!folder.ok()) continue;
    for (const std::string& name : NamesIn(folder->get())) RemoveLink(directory, service, name);
    unlinkat(services->get(), service.c_str(), AT_REMOVEDIR);  // It may have been empty before.
  }
}

// The file goes last: it tells who comes next, if this process dies, of which services the names are to go.
// One that is not whole yet has no other names.
bool RemoveRegistration(const RegistryDirectory& directory, int instances, const std::string& name) {
  auto found = ReadRegistration(instances, directory.path() + "/instances", name, directory.owner(), "");
  if (found.ok()) {
    for (const auto& service : found->content.services()) {
      if (CheckServiceName(service.name()).ok()) RemoveLink(directory, service.name(), name);
    }
  }
  return unlinkat(instances, name.c_str(), 0) == 0;
}

// Whether somebody listens at the socket, or may.
bool IsListenedAt(const std::string& path) {
  auto address = UnixSocketAddress::FromPath(path);
  if (!address.ok()) return true;
  const UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto* generic = reinterpret_cast<const sockaddr*>(&address->address);
  return !probe.valid() || connect(probe.get(), generic, address->length) == 0 || errno != ECONNREFUSED;
}

// Removes the sockets of registrations that are not there, not even reserved: not among `registered`, which
// are in order, and not in the directory, should that have been read in part.
void RemoveSockets(const RegistryDirectory& directory, const std::vector<std::string>& registered) {
  auto sockets = directory.OpenSub("sockets");
  if (!sockets.ok()) return;
  for (const std::string& name : NamesIn(sockets->get())) {
    const std::string id = name.substr(0, name.find('.'));
    const auto is_there = [&](const std::string& file) {
      const std::string path = "instances/" + file;
      return std::binary_search(registered.begin(), registered.end(), file) ||
             faccessat(directory.descriptor(), path.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    };
    if (is_there(id) || is_there(id + ".new")) continue;
    // Its server may be about to make anew what somebody has removed.
    if (!IsListenedAt(absl::StrCat(directory.path(), "/sockets/", name))) {
      unlinkat(sockets->get(), name.c_str(), 0);
    }
  }
}

// Of `most` registrations, of those that follow `id` in their order, and of the first ones after the last.
std::vector<std::string> RemoveFrom(const RegistryDirectory& directory, const std::string& id, size_t most) {
  std::vector<std::string> removed;
  auto instances = directory.OpenSub("instances");
  if (!instances.ok()) return removed;
  std::vector<std::string> names = NamesIn(instances->get());
  std::set<std::string> gone;
  const auto first = static_cast<size_t>(std::lower_bound(names.begin(), names.end(), id) - names.begin());
  for (size_t i = 0; i < std::min(names.size(), most); i++) {
    const std::string& name = names[(first + i) % names.size()];
    if (!IsDead(instances->get(), name) || !RemoveRegistration(directory, instances->get(), name)) continue;
    gone.insert(name);
    removed.push_back(absl::StrCat(directory.path(), "/instances/", name));
  }
  std::erase_if(names, [&gone](const std::string& name) { return gone.contains(name); });
  RemoveSockets(directory, names);
  return removed;
}

}  // namespace

std::vector<std::string> RemoveDead(const RegistryDirectory& directory) {
  std::vector<std::string> removed = RemoveFrom(directory, "", SIZE_MAX);
  RemoveLinks(directory);
  return removed;
}

std::vector<std::string> RemoveSomeDead(const RegistryDirectory& directory, const std::string& id) {
  return RemoveFrom(directory, id, kLookedAtByEachStart);
}

void LogRemoved(const std::vector<std::string>& removed) {
  for (const std::string& path : removed) {
    Log(LogLevel::kInfo, absl::StrCat("removed the registration ", path, ": its server has gone"));
  }
}

}  // namespace sidecall
