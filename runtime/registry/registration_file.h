// Registration files: what one says, and whether its server is alive.
//
// A server holds an open-file-description write lock on its file for as long as it is registered, and the
// kernel gives it up when the process dies: to hold it is to be alive. A file is locked before anybody else
// may open it, so nobody can take a read lock first, and keep the owner out.
#ifndef SIDECALL_REGISTRY_REGISTRATION_FILE_H_
#define SIDECALL_REGISTRY_REGISTRATION_FILE_H_

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "registry/registry_directory.h"
#include "sidecall/registration.pb.h"

namespace sidecall {

// No larger one is read.
inline constexpr size_t kMaxRegistrationBytes = 256 << 10;

struct FoundRegistration {
  sidecall_registry::Registration content;
  uid_t owner = 0;
  bool alive = false;
  std::string path;
};

// Reads the file `name` of the open directory, of which `path` says where it is. NOT_FOUND where it has gone
// meanwhile; DATA_LOSS where it holds no registration, or is not `owner`'s. Never waits, whatever lies there.
// Of its services, the content has `service` alone, if that is among them; all where it is empty.
absl::StatusOr<FoundRegistration> ReadRegistration(int directory, const std::string& path,
                                                   const std::string& name, uid_t owner,
                                                   const std::string& service);

// The names in an open directory, but those that begin with a dot.
absl::StatusOr<std::vector<std::string>> ListDirectory(int directory);
// The same; none where they cannot be listed.
std::vector<std::string> NamesIn(int directory);

// Whether somebody holds a write lock on the file.
bool IsWriteLocked(int file);

// The directory of who serves it, in the registry's.
std::string ServicePath(const std::string& service);

// What may be the name of a service, and so of a file: "hello.Greeter". INVALID_ARGUMENT.
absl::Status CheckServiceName(std::string_view name);

// Whether `name` of the open directory is the open file, and no other that took its place.
bool StandsFor(int directory, const std::string& name, int file);

}  // namespace sidecall

#endif  // SIDECALL_REGISTRY_REGISTRATION_FILE_H_
