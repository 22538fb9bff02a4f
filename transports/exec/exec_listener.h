// ExecListener: a server that starts its one client, and again where it ends.
#ifndef SIDECALL_TRANSPORTS_EXEC_EXEC_LISTENER_H_
#define SIDECALL_TRANSPORTS_EXEC_EXEC_LISTENER_H_

#include <memory>
#include <optional>
#include <utility>

#include "transport/transport.h"
#include "transport/unique_fd.h"
#include "transports/exec/child_command.h"
#include "transports/exec/restarts.h"
#include "transports/exec/ungreeted_child.h"

namespace sidecall {

class ExecListener final : public Listener {
 public:
  // Starts the client. Errors: those of StartChild.
  static absl::StatusOr<std::unique_ptr<Listener>> Listen(ChildCommand command);
  ~ExecListener() override;

  absl::StatusOr<std::unique_ptr<Connection>> Accept() override;
  int descriptor() const override { return events_.get(); }

 private:
  ExecListener(ChildCommand command, UniqueFd events, UniqueFd timer)
      : command_(std::move(command)), events_(std::move(events)), timer_(std::move(timer)) {}

  absl::Status Start();
  absl::StatusOr<std::unique_ptr<Connection>> Greet();
  void SetTimer(int64_t nanos);
  bool TimerHasRung();
  // Has it started anew after a pause, where it may be.
  absl::Status PlanRestart();

  const ChildCommand command_;
  const UniqueFd events_;  // an epoll of what is waited for: the greeting, the child's end, the timer
  const UniqueFd timer_;   // for a child that does not greet, and for the pause before the next
  Restarts restarts_;
  std::optional<UngreetedChild> ungreeted_;
  std::shared_ptr<Child> child_;  // that has greeted, or has failed to
};

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_EXEC_EXEC_LISTENER_H_
