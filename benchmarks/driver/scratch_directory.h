// ScratchDirectory: where the sockets of a run lie. Removed with all that is in it.
#ifndef SIDECALL_BENCHMARKS_DRIVER_SCRATCH_DIRECTORY_H_
#define SIDECALL_BENCHMARKS_DRIVER_SCRATCH_DIRECTORY_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace bench {

class ScratchDirectory {
 public:
  // Below $TMPDIR, or /tmp.
  static absl::StatusOr<std::unique_ptr<ScratchDirectory>> Create();
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  // A path that nothing has lain at yet.
  std::string NewPath() { return path_ + "/" + std::to_string(++used_); }

 private:
  explicit ScratchDirectory(std::string path);

  const std::string path_;
  int used_ = 0;
};

}  // namespace bench

#endif  // SIDECALL_BENCHMARKS_DRIVER_SCRATCH_DIRECTORY_H_
