#include "registry/own_sockets.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "registry/registration_file.h"
#include "transport/errno_status.h"

namespace sidecall {

namespace {

// Of what a transport keeps there: where clients come to.
bool IsMeetingPlace(mode_t mode) {
  return S_ISSOCK(mode) || S_ISFIFO(mode);
}

}  // namespace

absl::StatusOr<OwnSockets> OwnSockets::Find(const RegistryDirectory& directory, const std::string& id,
                                            ListenAnew listen_anew) {
  OwnSockets found;
  found.listen_anew_ = std::move(listen_anew);
  auto folder = directory.OpenSub("sockets");
  if (absl::IsNotFound(folder.status())) return found;  // The server listens elsewhere.
  if (!folder.ok()) return folder.status();
  auto names = ListDirectory(folder->get());
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    if (!name.starts_with(id + ".")) continue;
    Socket socket{.name = name, .path = absl::StrCat(directory.path(), "/sockets/", name), .file = {}};
    if (lstat(socket.path.c_str(), &socket.file) == 0 && IsMeetingPlace(socket.file.st_mode))
      found.sockets_.push_back(std::move(socket));
  }
  return found;
}

bool OwnSockets::IsThere(const Socket& socket) {
  struct stat there {};
  return lstat(socket.path.c_str(), &there) == 0 && there.st_ino == socket.file.st_ino &&
         there.st_dev == socket.file.st_dev;
}

bool OwnSockets::AreThere() const {
  return std::all_of(sockets_.begin(), sockets_.end(), &OwnSockets::IsThere);
}

absl::Status OwnSockets::MakeAnew(const RegistryDirectory& directory) {
  if (AreThere()) return absl::OkStatus();
  auto folder = directory.OpenOrMakeSub("sockets");
  if (!folder.ok()) return folder.status();
  absl::Status first_error;
  for (Socket& socket : sockets_) {
    if (IsThere(socket)) continue;
    absl::Status listens = listen_anew_(socket.name, socket.file.st_mode & 07777);
    first_error.Update(listens);
    if (!listens.ok()) continue;
    if (lstat(socket.path.c_str(), &socket.file) != 0)
      first_error.Update(ErrnoStatus(errno, "stat " + socket.path));
  }
  return first_error;
}

std::vector<std::string> OwnSockets::Paths() const {
  std::vector<std::string> paths;
  for (const Socket& socket : sockets_) paths.push_back(socket.path);
  return paths;
}

}  // namespace sidecall
