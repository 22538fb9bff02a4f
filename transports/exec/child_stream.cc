#include "transports/exec/child_stream.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "transport/errno_status.h"
#include "transports/exec/child_keeper.h"

namespace sidecall {

void ChildStream::HangUp() {
  if (hung_up_.exchange(true, std::memory_order_acq_rel)) return;
  // A grandchild may hold the pipes of one that is dead.
  pollfd process{.fd = child_->process().get(), .events = POLLIN, .revents = 0};
  const bool dead = poll(&process, 1, 0) == 1;
  if (dead) child_->record()->SetEnding();
  if (!child_->record()->ending()) child_->record()->SetLetGo();
  pipes_->HangUp();
  ChildKeeper::LetGo(child_, grace_);
}

absl::StatusOr<std::unique_ptr<Connection>> ConnectionTo(const std::shared_ptr<Child>& child, UniqueFd in,
                                                         UniqueFd out, absl::Duration grace) {
  UniqueFd process(fcntl(child->process().get(), F_DUPFD_CLOEXEC, 3));
  auto pipes = process.valid() ? PipeStream::Make(std::move(in), std::move(out))
                               : ErrnoStatus(errno, "a descriptor of the child");
  if (!pipes.ok()) {
    ChildKeeper::GiveUp(child);
    return pipes.status();
  }
  PeerIdentity identity;
  identity.uid = geteuid();
  identity.gid = getegid();
  identity.pid = child->record()->pid();
  return std::make_unique<ByteStreamConnection>(
      std::make_unique<ChildStream>(*std::move(pipes), child, grace), std::move(identity),
      std::move(process));
}

}  // namespace sidecall
