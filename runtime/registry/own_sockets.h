// OwnSockets: the sockets (and FIFOs) of a server of this process in its registry's directory, and whether
// somebody has removed or replaced them.
#ifndef SIDECALL_REGISTRY_OWN_SOCKETS_H_
#define SIDECALL_REGISTRY_OWN_SOCKETS_H_

#include <sys/stat.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "registry/registry_directory.h"

namespace sidecall {

// Thread-safety: one thread at a time.
class OwnSockets {
 public:
  // Has the server listen at the socket of that name in sockets/, where another is, or nothing; with `mode`,
  // as the one before had when it was published.
  using ListenAnew = std::function<absl::Status(const std::string& name, mode_t mode)>;

  OwnSockets() = default;
  // Those that are there now, of the registration `id`. Errors: those of the file system.
  static absl::StatusOr<OwnSockets> Find(const RegistryDirectory& directory, const std::string& id,
                                         ListenAnew listen_anew);

  bool AreThere() const;
  // Has the server listen anew at each that is not there. The first error.
  absl::Status MakeAnew(const RegistryDirectory& directory);
  // Of the files, to be watched.
  std::vector<std::string> Paths() const;

 private:
  // Known by its path: that is where the server listens, whichever directory has it by now.
  struct Socket {
    std::string name;
    std::string path;
    struct stat file;  // While the server has it open, no other has its number.
  };
  static bool IsThere(const Socket& socket);

  std::vector<Socket> sockets_;
  ListenAnew listen_anew_;
};

}  // namespace sidecall

#endif  // SIDECALL_REGISTRY_OWN_SOCKETS_H_
