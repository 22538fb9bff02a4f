// ChildKeeper: the thread that starts this process's children, forwards what they write to stderr, ends those
// that are let go, and reaps all. It begins with the first child and lasts as long as the process: a child
// that is to die with its parent does so when the thread ends that started it.
//
// Thread-safety: any thread.
#ifndef SIDECALL_TRANSPORTS_EXEC_CHILD_KEEPER_H_
#define SIDECALL_TRANSPORTS_EXEC_CHILD_KEEPER_H_

#include <poll.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "transport/unique_fd.h"
#include "transports/exec/child_command.h"
#include "transports/exec/start_child.h"

namespace sidecall {

class ChildKeeper {
 public:
  // This process's. RESOURCE_EXHAUSTED where it can have no thread, or no descriptor.
  static absl::StatusOr<ChildKeeper*> OfProcess();

  // As the function of that name.
  absl::StatusOr<StartedChild> Start(const ChildCommand& command);
  // Nobody needs it any more: where it has not ended by itself after `grace`, it gets SIGTERM, and as long
  // after that SIGKILL. No effect the second time, nor in a child of fork(): it is the parent's.
  static void LetGo(const std::shared_ptr<Child>& child, absl::Duration grace);
  // Takes that back: somebody needs it after all. False where it has ended, has had its signal, or is the
  // parent's.
  static bool Keep(const std::shared_ptr<Child>& child);
  // As LetGo at once, of one that this side could not use: its end is no crash of its own.
  static void GiveUp(const std::shared_ptr<Child>& child);

 private:
  struct Request {
    const ChildCommand& command;
    absl::StatusOr<StartedChild> result;
    bool done = false;
  };
  struct Kept {
    std::shared_ptr<Child> child;
    UniqueFd errors;
    std::string line{};              // of its stderr, begun
    std::string unwritten{};         // lines that this process's stderr has had no room for; no more are read
    int64_t terminate_at_nanos = 0;  // as MonotonicNanos; 0: nobody has let it go
    int64_t kill_at_nanos = 0;
  };

  explicit ChildKeeper(UniqueFd bell) : bell_(std::move(bell)) {}
  void Run();
  void StartAll();
  int64_t NextDeadline();
  void Look(const std::vector<pollfd>& items);
  void EndLate();
  static void WriteLine(Kept& kept, size_t size);
  static void ForwardErrors(Kept& kept, bool last);
  static bool Reap(Kept& kept);

  const UniqueFd bell_;  // an eventfd
  std::mutex mutex_;
  std::thread::id thread_;
  std::condition_variable started_;
  std::deque<Request*> requests_;
  std::vector<std::unique_ptr<Kept>> kept_;  // changed by the thread alone, and by LetGo in part
};

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_EXEC_CHILD_KEEPER_H_
