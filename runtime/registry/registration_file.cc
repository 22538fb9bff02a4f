#include "registry/registration_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <climits>

#include "absl/strings/str_cat.h"
#include "registry/directory_lock.h"
#include "transport/errno_status.h"
#include "transport/logging.h"
#include "transport/unix_socket.h"

namespace sidecall {
namespace {

absl::Status NoRegistration(const std::string& path, const std::string& why) {
  return absl::DataLossError(absl::StrCat(path, " is no registration: ", why));
}

absl::StatusOr<std::string> ReadAll(int file, const std::string& path, off_t size) {
  std::string bytes(static_cast<size_t>(size), '\0');
  size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t part = pread(file, bytes.data() + have, bytes.size() - have, static_cast<off_t>(have));
    if (part < 0 && errno == EINTR) continue;
    if (part < 0) return ErrnoStatus(errno, "read " + path);
    if (part == 0) return NoRegistration(path, "it became shorter while it was read");
    have += static_cast<size_t>(part);
  }
  return bytes;
}

// Removes the files of an open directory that nobody has a write lock on.
void RemoveUnlocked(int directory) {
  for (const std::string& name : ListDirectory(directory)) {
    const UniqueFd file(openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!file.valid() && errno != ELOOP) continue;
    if (file.valid() && (IsWriteLocked(file.get()) || !StandsFor(directory, name, file.get()))) continue;
    unlinkat(directory, name.c_str(), 0);
  }
}

// Removes what services/ has of the dead, and the services that are left without a server.
void RemoveLinks(const RegistryDirectory& directory) {
  auto services = directory.OpenSub("services");
  if (!services.ok()) return;
  for (const std::string& name : ListDirectory(services->get())) {
    auto folder = directory.OpenSub("services/" + name);
    if (folder.ok()) RemoveUnlocked(folder->get());
    unlinkat(services->get(), name.c_str(), AT_REMOVEDIR);  // Where it is empty.
  }
}

// Removes the files in exclusive/ that nobody has a lock on.
void RemoveUnclaimed(const RegistryDirectory& directory) {
  auto folder = directory.OpenSub("exclusive");
  if (!folder.ok()) return;
  for (const std::string& name : ListDirectory(folder->get())) {
    const UniqueFd file(openat(folder->get(), name.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (file.valid() && TryLock(file.get(), F_WRLCK) && StandsFor(folder->get(), name, file.get())) {
      unlinkat(folder->get(), name.c_str(), 0);
    }
  }
}

// Whether somebody listens at the socket, or may.
bool IsListenedAt(const std::string& path) {
  auto address = UnixSocketAddress::FromPath(path);
  if (!address.ok()) return true;
  const UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto* generic = reinterpret_cast<const sockaddr*>(&address->address);
  return !probe.valid() || connect(probe.get(), generic, address->length) == 0 || errno != ECONNREFUSED;
}

// Removes the sockets of registrations that are not there, not even reserved.
void RemoveSockets(const RegistryDirectory& directory) {
  auto sockets = directory.OpenSub("sockets");
  if (!sockets.ok()) return;
  for (const std::string& name : ListDirectory(sockets->get())) {
    const std::string file = "instances/" + name.substr(0, name.find('.'));
    const auto is_there = [&](const std::string& path) {
      return faccessat(directory.descriptor(), path.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    };
    if (is_there(file) || is_there(file + ".new")) continue;
    // Its server may be about to make anew what somebody has removed.
    if (!IsListenedAt(absl::StrCat(directory.path(), "/sockets/", name))) {
      unlinkat(sockets->get(), name.c_str(), 0);
    }
  }
}

}  // namespace

absl::StatusOr<FoundRegistration> ReadRegistration(int directory, const std::string& path,
                                                   const std::string& name, uid_t owner) {
  const std::string full = absl::StrCat(path, "/", name);
  UniqueFd file(openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file.valid()) {
    return errno == ELOOP ? NoRegistration(full, "it is a symbolic link")
                          : ErrnoStatus(errno, "open " + full);
  }
  struct stat found {};
  if (fstat(file.get(), &found) != 0) return ErrnoStatus(errno, "stat " + full);
  if (!S_ISREG(found.st_mode)) return NoRegistration(full, "it is no plain file");
  if (found.st_uid != owner) return NoRegistration(full, absl::StrCat("it belongs to uid ", found.st_uid));
  if (found.st_size > off_t{kMaxRegistrationBytes})
    return NoRegistration(full, absl::StrCat("it has ", found.st_size, " bytes"));
  FoundRegistration result;
  result.alive = IsWriteLocked(file.get());
  auto bytes = ReadAll(file.get(), full, found.st_size);
  if (!bytes.ok()) return bytes.status();
  if (!result.content.ParseFromString(*bytes)) return NoRegistration(full, "its bytes cannot be parsed");
  if (result.content.id() != name) return NoRegistration(full, "it is not registered under this name");
  result.owner = found.st_uid;
  result.path = full;
  return result;
}

std::vector<std::string> ListDirectory(int directory) {
  std::vector<std::string> names;
  // A description of its own: the position of `directory` is shared with whoever has it.
  const int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* stream = fd >= 0 ? fdopendir(fd) : nullptr;
  if (stream == nullptr) {
    if (fd >= 0) close(fd);
    return names;
  }
  while (const dirent* entry = readdir(stream)) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  closedir(stream);
  std::sort(names.begin(), names.end());
  return names;
}

bool IsWriteLocked(int file) {
  struct flock lock {};
  lock.l_type = F_RDLCK;  // Which others' read locks do not hinder.
  return fcntl(file, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_WRLCK;
}

absl::Status CheckServiceName(std::string_view name) {
  const bool plain = std::all_of(name.begin(), name.end(), [](unsigned char byte) {
    return std::isalnum(byte) != 0 || byte == '_' || byte == '.';
  });
  if (name.empty() || name.front() == '.' || !plain || name.size() > NAME_MAX) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", std::string(name.substr(0, NAME_MAX)),
                     "' is no name of a service that can be registered. Write it as package.Service, with at "
                     "most ",
                     NAME_MAX, " letters"));
  }
  return absl::OkStatus();
}

bool StandsFor(int directory, const std::string& name, int file) {
  struct stat named {};
  struct stat held {};
  return fstatat(directory, name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 && fstat(file, &held) == 0 &&
         named.st_ino == held.st_ino && named.st_dev == held.st_dev;
}

std::vector<std::string> RemoveDead(const RegistryDirectory& directory) {
  std::vector<std::string> removed;
  RemoveLinks(directory);
  auto instances = directory.OpenSub("instances");
  if (!instances.ok()) return removed;
  for (const std::string& name : ListDirectory(instances->get())) {
    UniqueFd file(openat(instances->get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!file.valid() || IsWriteLocked(file.get()) || !StandsFor(instances->get(), name, file.get()))
      continue;
    if (unlinkat(instances->get(), name.c_str(), 0) != 0) continue;
    removed.push_back(absl::StrCat(directory.path(), "/instances/", name));
  }
  RemoveSockets(directory);
  RemoveUnclaimed(directory);
  return removed;
}

void LogRemoved(const std::vector<std::string>& removed) {
  for (const std::string& path : removed) {
    Log(LogLevel::kInfo, absl::StrCat("removed the registration ", path, ": its server has gone"));
  }
}

}  // namespace sidecall
