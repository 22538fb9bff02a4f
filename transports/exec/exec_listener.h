// ExecListener: a server that starts its one client, and again where it ends.
#ifndef SIDECALL_TRANSPORTS_EXEC_EXEC_LISTENER_H_
#define SIDECALL_TRANSPORTS_EXEC_EXEC_LISTENER_H_

#include <memory>
#include <optional>
#include <utility>

#include "transport/transport.h"
#include "transport/unique_fd.h"
#include "transports/exec/child_command.h"
#include "transports/exec/greeting.h"
#include "transports/exec/restarts.h"
#include "transports/exec/start_child.h"

namespace sidecall {

class ExecListener final : public Listener {
 public:
  static absl::StatusOr<std::unique_ptr<Listener>> Listen(ChildCommand command);
  ~ExecListener() override;

  absl::StatusOr<std::unique_ptr<Connection>> Accept() override;
  int descriptor() const override { return events_.get(); }

 private:
  ExecListener(ChildCommand command, UniqueFd events, UniqueFd pause)
      : command_(std::move(command)), events_(std::move(events)), pause_(std::move(pause)) {}

  absl::Status Start();
  absl::StatusOr<std::unique_ptr<Connection>> Greet();
  // Has it started anew after a pause, where it may be.
  absl::Status PlanRestart();

  const ChildCommand command_;
  const UniqueFd events_;  // an epoll of what is waited for: the greeting, the child's end, the pause's end
  const UniqueFd pause_;   // a timer
  Restarts restarts_;
  std::optional<StartedChild> greeting_;  // started, and has not greeted yet
  std::optional<Greeting> expected_;      // of it
  std::shared_ptr<Child> child_;          // that has greeted
};

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_EXEC_EXEC_LISTENER_H_
