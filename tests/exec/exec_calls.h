// What the tests of exec: and fd: call a child for, and how they await its end.
#ifndef SIDECALL_TESTS_EXEC_EXEC_CALLS_H_
#define SIDECALL_TESTS_EXEC_EXEC_CALLS_H_

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "plugin.h"
#include "sidecall/sidecall.h"
#include "sidecall/spawn_child.h"
#include "transport/unique_fd.h"

namespace exec_test {

inline constexpr auto kPatience = std::chrono::seconds(40);

absl::Status Echo(const Plugin::Stub& stub, int64_t number, size_t size = 0);
std::string Tell(const Plugin::Stub& stub, const std::string& what);
pid_t PidOf(const Plugin::Stub& stub);
// Has the child end with that status, or by that signal.
absl::Status End(const Plugin::Stub& stub, int status, int signal);

// A process, known whatever becomes of its pid; to be made before that one may be reaped.
class Process {
 public:
  explicit Process(pid_t pid);
  bool AwaitEnd() const;

 private:
  const sidecall::UniqueFd fd_;
};

// Nobody waits for it any more: it is no zombie.
bool AwaitReaped(pid_t pid);

absl::StatusOr<std::unique_ptr<sidecall::Server>> ServeAt(const std::string& address,
                                                          Plugin::Service& service);
std::shared_ptr<sidecall::Channel> Spawn(const std::string& role, const sidecall::ChildOptions& options = {});

}  // namespace exec_test

#endif  // SIDECALL_TESTS_EXEC_EXEC_CALLS_H_
