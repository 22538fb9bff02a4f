// RegistryDirectory: a directory of registrations, looked at before it is trusted, and held open.
//
//   <directory>/lock                     taken while names are made or removed
//               instances/<id>           one registration file a server
//               services/<service>/<id>  the same file, by service
//               claims                   a byte of it for each service, locked by who serves that
//               sockets/<id>.<scheme>    where servers listen that were given no address
//
// Its format, and what holds of it when processes die, is docs/registry.md.
#ifndef SIDECALL_REGISTRY_REGISTRY_DIRECTORY_H_
#define SIDECALL_REGISTRY_REGISTRY_DIRECTORY_H_

#include <sys/stat.h>
#include <sys/types.h>

#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "transport/unique_fd.h"

namespace sidecall {

class RegistryDirectory {
 public:
  // Opens one that belongs to one of `owners`, to read. NOT_FOUND; FAILED_PRECONDITION where what is there is
  // no directory, another's, open to others' writing, or on a network file system.
  static absl::StatusOr<RegistryDirectory> Open(const std::string& path, std::span<const uid_t> owners);
  // The same for one's own, which is made, with `mode`, where it is missing. Errors: those too, and what
  // mkdir says.
  static absl::StatusOr<RegistryDirectory> OpenOrMake(const std::string& path, mode_t mode);

  const std::string& path() const { return path_; }
  int descriptor() const { return fd_.get(); }
  uid_t owner() const { return owner_; }
  // Whether anybody else may come in, be it one of a group.
  bool others_may_enter() const { return (mode_ & (S_IXGRP | S_IXOTH)) != 0; }
  // Whether all other users may.
  bool open_to_others() const { return (mode_ & S_IXOTH) != 0; }

  // A directory in it, to read.
  absl::StatusOr<UniqueFd> OpenSub(const std::string& name) const;
  // The same, made where it is missing.
  absl::StatusOr<UniqueFd> OpenOrMakeSub(const std::string& name) const;

 private:
  RegistryDirectory(std::string path, UniqueFd fd, uid_t owner, mode_t mode)
      : path_(std::move(path)), fd_(std::move(fd)), owner_(owner), mode_(mode) {}

  std::string path_;
  UniqueFd fd_;
  uid_t owner_;
  mode_t mode_;
};

// Opens the one that a server of this process registers in: $SIDECALL_DIR; else, for root,
// /run/sidecall/0; else sidecall/ in the user's runtime directory; else /run/sidecall/<uid>, where the
// administrator has made that; else /tmp/sidecall-<uid>.
absl::StatusOr<RegistryDirectory> OpenServersDirectory();

struct DirectoryToSearch {
  std::string path;
  std::vector<uid_t> owners;  // whose it may be
};
// Those that a client searches, in this order: $SIDECALL_DIR alone, or all of the above of this user's and
// /run/sidecall/<uid> of root and of every one of `trusted_owners`.
std::vector<DirectoryToSearch> DirectoriesToSearch(std::span<const uid_t> trusted_owners);

}  // namespace sidecall

#endif  // SIDECALL_REGISTRY_REGISTRY_DIRECTORY_H_
