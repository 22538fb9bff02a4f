#include "registry/registry_directory.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "transport/errno_status.h"

namespace sidecall {
namespace {

constexpr const char* kSystemDirectory = "/run/sidecall";

// Whose locks are not, or not always, those of this machine's kernel.
bool IsNetworkFileSystem(int fd) {
  constexpr std::array<uint32_t, 9> kMagics = {NFS_SUPER_MAGIC,  SMB_SUPER_MAGIC,  CIFS_SUPER_MAGIC,
                                               SMB2_SUPER_MAGIC, CEPH_SUPER_MAGIC, CODA_SUPER_MAGIC,
                                               AFS_SUPER_MAGIC,  V9FS_MAGIC,       0x0BD00BD0 /* Lustre */};
  struct statfs where {};
  return fstatfs(fd, &where) == 0 &&
         std::find(kMagics.begin(), kMagics.end(), static_cast<uint32_t>(where.f_type)) != kMagics.end();
}

absl::Status Refused(const std::string& path, const std::string& why) {
  return absl::FailedPreconditionError(absl::StrCat("the registry directory ", path, " is refused: ", why));
}

std::string Octal(mode_t mode) {
  std::string text = "0000";
  for (int digit = 3; digit >= 0; digit--, mode /= 8)
    text[static_cast<size_t>(digit)] = static_cast<char>('0' + mode % 8);
  return text;
}

absl::Status CheckDirectory(const std::string& path, int fd, const struct stat& found,
                            std::span<const uid_t> owners) {
  if (std::find(owners.begin(), owners.end(), found.st_uid) == owners.end()) {
    return Refused(
        path, absl::StrCat("it belongs to uid ", found.st_uid, ", and not to uid ",
                           absl::StrJoin(owners, " or "), ". Remove it, or set SIDECALL_DIR to another"));
  }
  if ((found.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return Refused(path, absl::StrCat("others may write to it (mode ", Octal(found.st_mode & 07777),
                                      "), and could pass for its servers. Run: chmod go-w ", path));
  }
  if (IsNetworkFileSystem(fd)) {
    return Refused(path,
                   "it is on a network file system, where locks tell nothing of this machine. Set "
                   "SIDECALL_DIR to a local directory");
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> OpenSubOf(const std::string& path, int directory, const std::string& name,
                                   uid_t owner) {
  UniqueFd fd(openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  const std::string full = absl::StrCat(path, "/", name);
  if (!fd.valid()) return ErrnoStatus(errno, "open " + full);
  struct stat found {};
  if (fstat(fd.get(), &found) != 0) return ErrnoStatus(errno, "stat " + full);
  absl::Status checked = CheckDirectory(full, fd.get(), found, {&owner, 1});
  if (!checked.ok()) return checked;
  return fd;
}

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

bool IsOwnDirectory(const std::string& path) {
  struct stat found {};
  return lstat(path.c_str(), &found) == 0 && S_ISDIR(found.st_mode) && found.st_uid == geteuid();
}

// This user's, made by the session's manager: where the environment says, and where it usually is.
std::vector<std::string> RuntimeDirectories() {
  std::vector<std::string> all;
  for (std::string path : {Environment("XDG_RUNTIME_DIR"), absl::StrCat("/run/user/", geteuid())}) {
    const bool usable = !path.empty() && path.front() == '/' && IsOwnDirectory(path);
    if (usable && std::find(all.begin(), all.end(), path) == all.end()) all.push_back(std::move(path));
  }
  return all;
}

std::string SystemDirectoryOf(uid_t uid) {
  return absl::StrCat(kSystemDirectory, "/", uid);
}

std::string TemporaryDirectory() {
  return absl::StrCat("/tmp/sidecall-", geteuid());
}

// Root's is where every client looks, and root may make it.
absl::StatusOr<RegistryDirectory> OpenRootsDirectory() {
  if (mkdir(kSystemDirectory, 0755) == 0) {
    chmod(kSystemDirectory, 0755);  // Whatever the umask.
  } else if (errno != EEXIST) {
    return ErrnoStatus(errno, absl::StrCat("make ", kSystemDirectory));
  }
  const uid_t root = 0;
  auto parent = RegistryDirectory::Open(kSystemDirectory, {&root, 1});
  if (!parent.ok()) return parent.status();
  return RegistryDirectory::OpenOrMake(SystemDirectoryOf(0), 0755);
}

}  // namespace

absl::StatusOr<RegistryDirectory> RegistryDirectory::Open(const std::string& path,
                                                          std::span<const uid_t> owners) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) {
    if (errno == ENOTDIR || errno == ELOOP) {
      struct stat found {};
      if (lstat(path.c_str(), &found) == 0) {
        return Refused(path, S_ISLNK(found.st_mode) ? "it is a symbolic link" : "it is no directory");
      }
    }
    return ErrnoStatus(errno, "open the registry directory " + path);
  }
  struct stat found {};
  if (fstat(fd.get(), &found) != 0) return ErrnoStatus(errno, "stat the registry directory " + path);
  absl::Status checked = CheckDirectory(path, fd.get(), found, owners);
  if (!checked.ok()) return checked;
  return RegistryDirectory(path, std::move(fd), found.st_uid, found.st_mode);
}

absl::StatusOr<RegistryDirectory> RegistryDirectory::OpenOrMake(const std::string& path, mode_t mode) {
  const bool made = mkdir(path.c_str(), mode) == 0;
  if (!made && errno != EEXIST) return ErrnoStatus(errno, "make the registry directory " + path);
  if (made) chmod(path.c_str(), mode);  // Whatever the umask.
  const uid_t own = geteuid();
  return Open(path, {&own, 1});
}

absl::StatusOr<UniqueFd> RegistryDirectory::OpenSub(const std::string& name) const {
  return OpenSubOf(path_, fd_.get(), name, owner_);
}

absl::StatusOr<UniqueFd> RegistryDirectory::OpenOrMakeSub(const std::string& name) const {
  const mode_t mode = mode_ & 0755;
  if (mkdirat(fd_.get(), name.c_str(), mode) == 0) {
    fchmodat(fd_.get(), name.c_str(), mode, 0);
  } else if (errno != EEXIST) {
    return ErrnoStatus(
        errno, absl::StrCat("make ", path_, "/", name),
        errno == EROFS || errno == EACCES ? "Set SIDECALL_DIR to a directory that can be written to" : "");
  }
  return OpenSub(name);
}

absl::StatusOr<RegistryDirectory> OpenServersDirectory() {
  if (const std::string path = Environment("SIDECALL_DIR"); !path.empty()) {
    return RegistryDirectory::OpenOrMake(path, 0700);
  }
  if (geteuid() == 0) {
    auto roots = OpenRootsDirectory();
    if (roots.ok() || absl::IsFailedPrecondition(roots.status())) return roots;  // Else /run is read-only.
  } else if (const auto runtime = RuntimeDirectories(); !runtime.empty()) {
    return RegistryDirectory::OpenOrMake(runtime.front() + "/sidecall", 0700);
  } else if (IsOwnDirectory(SystemDirectoryOf(geteuid()))) {
    return RegistryDirectory::OpenOrMake(SystemDirectoryOf(geteuid()), 0755);
  }
  return RegistryDirectory::OpenOrMake(TemporaryDirectory(), 0700);
}

std::vector<DirectoryToSearch> DirectoriesToSearch(std::span<const uid_t> trusted_owners) {
  const uid_t own = geteuid();
  std::vector<uid_t> owners = {own};
  const auto add = [&owners](uid_t uid) {
    if (std::find(owners.begin(), owners.end(), uid) == owners.end()) owners.push_back(uid);
  };
  add(0);
  for (const uid_t uid : trusted_owners) add(uid);
  if (const std::string path = Environment("SIDECALL_DIR"); !path.empty()) return {{path, owners}};

  std::vector<DirectoryToSearch> all;
  for (const std::string& runtime : RuntimeDirectories()) all.push_back({runtime + "/sidecall", {own}});
  for (const uid_t uid : owners) all.push_back({SystemDirectoryOf(uid), {uid}});
  all.push_back({TemporaryDirectory(), {own}});
  return all;
}

}  // namespace sidecall
