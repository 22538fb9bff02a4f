// Child: a process that this one has started, from its start to its being reaped; and what is known of it
// afterwards.
//
// Thread-safety: any thread.
#ifndef SIDECALL_TRANSPORTS_EXEC_CHILD_H_
#define SIDECALL_TRANSPORTS_EXEC_CHILD_H_

#include <sys/types.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "transport/clock.h"
#include "transport/unique_fd.h"

namespace sidecall {

class ChildRecord {
 public:
  struct End {
    std::string how;  // "was killed by signal 9 (Killed)"
    int64_t at_nanos = 0;
  };

  ChildRecord(std::string program, pid_t pid) : program_(std::move(program)), pid_(pid) {}

  // "/usr/lib/plugin (pid 4242)".
  std::string ToString() const { return program_ + " (pid " + std::to_string(pid_) + ")"; }
  const std::string& program() const { return program_; }
  pid_t pid() const { return pid_; }
  int64_t started_nanos() const { return started_nanos_; }
  // None while it lives, or nobody has looked yet.
  std::optional<End> end() const {
    const std::lock_guard lock(mutex_);
    return end_;
  }
  // The same of one that is ending, which is reaped a moment later: waits for that, until `deadline_nanos`
  // (MonotonicNanos) at most, and no longer than a second: it may have closed its pipes and live on.
  std::optional<End> AwaitEnd(int64_t deadline_nanos) const {
    std::unique_lock lock(mutex_);
    const std::chrono::nanoseconds left(deadline_nanos - MonotonicNanos());
    ended_.wait_for(lock, std::min<std::chrono::nanoseconds>(left, std::chrono::seconds(1)),
                    [this] { return end_.has_value(); });
    return end_;
  }

  // It has closed its pipes, by which its end is heard of first.
  void SetEnding() { ending_.store(true, std::memory_order_release); }
  bool ending() const { return ending_.load(std::memory_order_acquire); }
  // This side has ended it, or hung up on it: that it ends says nothing of it.
  void SetLetGo() { let_go_.store(true, std::memory_order_release); }
  bool let_go() const { return let_go_.load(std::memory_order_acquire); }

  void SetEnd(std::string how) {
    const std::lock_guard lock(mutex_);
    end_ = End{.how = std::move(how), .at_nanos = MonotonicNanos()};
    ended_.notify_all();
  }

 private:
  const std::string program_;
  const pid_t pid_;
  std::atomic<bool> ending_{false};
  std::atomic<bool> let_go_{false};
  const int64_t started_nanos_ = MonotonicNanos();
  mutable std::mutex mutex_;
  mutable std::condition_variable ended_;
  std::optional<End> end_;
};

class Child {
 public:
  Child(std::string program, pid_t pid, UniqueFd process)
      : record_(std::make_shared<ChildRecord>(std::move(program), pid)), process_(std::move(process)) {}

  // Outlives the child, and holds no descriptor.
  const std::shared_ptr<ChildRecord>& record() const { return record_; }
  // Its pidfd.
  const UniqueFd& process() const { return process_; }

 private:
  const std::shared_ptr<ChildRecord> record_;
  const UniqueFd process_;
};

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_EXEC_CHILD_H_
