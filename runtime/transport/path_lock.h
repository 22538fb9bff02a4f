// PathLock: holds "<path>.lock" while a listening path is taken over or removed, so that two servers never
// both think it stale.
#ifndef SIDECALL_TRANSPORT_PATH_LOCK_H_
#define SIDECALL_TRANSPORT_PATH_LOCK_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "transport/unique_fd.h"

namespace sidecall {

// Whether `path` names the very file that is open as `descriptor`: false where the name has gone, or is
// another file's by now.
bool HasName(int descriptor, const std::string& path);

class PathLock {
 public:
  // Waits a second for who has it; UNAVAILABLE after that. NOT_FOUND, PERMISSION_DENIED (the directory).
  static absl::StatusOr<PathLock> Take(const std::string& path);
  PathLock(PathLock&&) = default;
  PathLock& operator=(PathLock&&) = default;
  ~PathLock();

 private:
  PathLock(UniqueFd fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {}
  UniqueFd fd_;
  std::string name_;
};

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORT_PATH_LOCK_H_
