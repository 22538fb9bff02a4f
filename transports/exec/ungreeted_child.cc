#include "transports/exec/ungreeted_child.h"

#include <fcntl.h>

#include <utility>

#include "transports/exec/child_keeper.h"

namespace sidecall {

absl::StatusOr<UngreetedChild> StartUngreeted(const ChildCommand& command, Restarts& restarts) {
  auto keeper = ChildKeeper::OfProcess();
  if (!keeper.ok()) return keeper.status();
  auto started = (*keeper)->Start(command);
  if (!started.ok()) return started.status();
  restarts.Add(started->child->record());
  fcntl(started->in.get(), F_SETFL, O_NONBLOCK);
  Greeting greeting(started->cookie);
  return UngreetedChild{.started = *std::move(started), .greeting = std::move(greeting)};
}

}  // namespace sidecall
