// OwnRegistration: this process's registration of one server: reserved before the server listens, then
// published, so that clients find it, until it is withdrawn.
#ifndef SIDECALL_REGISTRY_OWN_REGISTRATION_H_
#define SIDECALL_REGISTRY_OWN_REGISTRATION_H_

#include <sys/types.h>
#include <unistd.h>

#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "registry/child_closed_file.h"
#include "registry/own_sockets.h"
#include "registry/registry_directory.h"
#include "registry/registry_watch.h"
#include "sidecall/registration.pb.h"

namespace sidecall {

class OwnRegistration final : private RegistryWatch::Watcher {
 public:
  // Takes an id, and a file with a lock on it by which others see that it is in use. Removes what
  // is dead of some others.
  // Errors: those of the file system.
  static absl::StatusOr<std::unique_ptr<OwnRegistration>> Reserve(RegistryDirectory directory);
  // Withdraws it. In a child of fork() it is the parent's, and left alone.
  ~OwnRegistration();

  // The name of its file, and what the names of its sockets are to begin with, before a dot.
  const std::string& id() const { return id_; }
  const std::string& directory_path() const { return path_; }

  // Registers `content`, in which what is not the caller's to say (id, pid, time, generation) is filled in.
  // Once. ALREADY_EXISTS where a service of it, or this one, is exclusive, and another server lives.
  // `listen_anew` is called for each of its sockets in the directory that somebody removes, on the watch's
  // thread. It may not call this.
  absl::Status Publish(sidecall_registry::Registration content, OwnSockets::ListenAnew listen_anew = nullptr);

  // Clients find it no more. Idempotent; any thread.
  void Withdraw();

 private:
  OwnRegistration(RegistryDirectory directory, std::string id)
      : id_(std::move(id)), path_(directory.path()), owner_(getpid()), directory_(std::move(directory)) {}

  absl::Status Enter();
  absl::Status EnterAnew();
  absl::Status ClaimServices();
  absl::Status MakeFile();
  absl::Status NameFile() const;
  absl::Status LinkServices() const;
  void RemoveNames() const;
  bool NamesAreThere() const;
  void Watch();
  bool OnRegistryChange() override;

  const std::string id_;
  const std::string path_;  // of the directory
  const pid_t owner_;
  std::mutex mutex_;  // all below
  RegistryDirectory directory_;
  sidecall_registry::Registration content_;
  OwnSockets sockets_;
  bool withdrawn_ = false;
  std::unique_ptr<ChildClosedFile> file_;    // write-locked
  std::unique_ptr<ChildClosedFile> claims_;  // a byte of it locked for each service
};

}  // namespace sidecall

#endif  // SIDECALL_REGISTRY_OWN_REGISTRATION_H_
