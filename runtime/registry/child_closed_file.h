// ChildClosedFile: an open file that a child of fork() does not keep: the locks on it would outlive this
// process in there.
#ifndef SIDECALL_REGISTRY_CHILD_CLOSED_FILE_H_
#define SIDECALL_REGISTRY_CHILD_CLOSED_FILE_H_

#include "absl/functional/function_ref.h"
#include "transport/unique_fd.h"

namespace sidecall {

// Thread-safety: one thread; forks from any.
class ChildClosedFile {
 public:
  // `open` is called while nobody forks.
  explicit ChildClosedFile(absl::FunctionRef<UniqueFd()> open);
  ~ChildClosedFile();
  ChildClosedFile(const ChildClosedFile&) = delete;
  ChildClosedFile& operator=(const ChildClosedFile&) = delete;

  // -1 in a child.
  int get() const { return file_.get(); }

 private:
  static void CloseAllInChild();

  UniqueFd file_;
  ChildClosedFile* previous_ = nullptr;
  ChildClosedFile* next_ = nullptr;
};

}  // namespace sidecall

#endif  // SIDECALL_REGISTRY_CHILD_CLOSED_FILE_H_
