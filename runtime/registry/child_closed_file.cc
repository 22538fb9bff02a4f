#include "registry/child_closed_file.h"

#include <pthread.h>

#include <mutex>

namespace sidecall {
namespace {

// Held across each fork, so that the list is whole in the child. Never destroyed: threads may outlive static
// destruction.
std::mutex& Mutex() {
  static auto* mutex = new std::mutex;
  return *mutex;
}

ChildClosedFile* first = nullptr;  // under the mutex

}  // namespace

ChildClosedFile::ChildClosedFile(absl::FunctionRef<UniqueFd()> open) {
  static const int registered =
      pthread_atfork([] { Mutex().lock(); }, [] { Mutex().unlock(); }, &ChildClosedFile::CloseAllInChild);
  (void)registered;
  const std::lock_guard lock(Mutex());
  file_ = open();
  next_ = first;
  if (next_ != nullptr) next_->previous_ = this;
  first = this;
}

ChildClosedFile::~ChildClosedFile() {
  const std::lock_guard lock(Mutex());
  file_ = UniqueFd();  // Before it leaves the list: no child is to have it.
  (previous_ != nullptr ? previous_->next_ : first) = next_;
  if (next_ != nullptr) next_->previous_ = previous_;
}

void ChildClosedFile::CloseAllInChild() {
  for (ChildClosedFile* file = first; file != nullptr; file = file->next_) file->file_ = UniqueFd();
  Mutex().unlock();
}

}  // namespace sidecall
