// How a ClientSession begins: its first steps until both sides have said hello.
#include <poll.h>

#include <algorithm>
#include <utility>

#include "core/client_session.h"
#include "transport/clock.h"

namespace sidecall {

absl::StatusOr<std::unique_ptr<ClientSession>> ClientSession::Open(std::unique_ptr<Connection> connection,
                                                                   WriteMutex& write_mutex,
                                                                   const ChannelOptions& options,
                                                                   int64_t deadline_nanos,
                                                                   int cancel_descriptor) {
  // Not io_uring, which interrupts the thread that submits a poll: here, the user's.
  auto events = MakeEpollEventLoop();
  if (!events.ok()) return events.status();
  std::unique_ptr<ClientSession> session(
      new ClientSession(std::move(connection), write_mutex, options, *std::move(events)));
  absl::Status watched = session->watch_.Add(*session->events_, *session->connection_, kWatchId);
  if (!watched.ok()) return watched;
  SendHello(session->writer_, write_mutex, options.max_receive_message_bytes, 0);
  absl::Status greeted = session->AwaitHello(deadline_nanos, cancel_descriptor);
  if (!greeted.ok()) return greeted;
  session->counted_.Open();
  const Hello& peer = session->agreement_.peer;
  session->calls_ = std::vector<std::atomic<ClientCall*>>(std::min(peer.max_calls, kMaxCalls));
  session->last_start_nanos_ = CoarseMonotonicNanos();
  session->method_known_ = std::vector<std::atomic<bool>>(std::min(peer.max_method_ids, kMaxMethodIds));
  return session;
}

absl::Status ClientSession::AwaitHello(int64_t deadline_nanos, int cancel_descriptor) {
  if (cancel_descriptor < 0) return ReadHello(deadline_nanos);
  const uint64_t token = ConnectionWatch::TokenOf(kCancelWatchId, 0);
  absl::Status watched = events_->Add(cancel_descriptor, POLLIN, token);
  if (!watched.ok()) return watched;
  absl::Status greeted = ReadHello(deadline_nanos);
  events_->Remove(cancel_descriptor, token);
  return greeted;
}

absl::Status ClientSession::ReadHello(int64_t deadline_nanos) {
  while (!greeted_ && !closed()) {
    if (frames_.Poll() > 0) continue;
    if (HasPassed(deadline_nanos)) {
      return absl::DeadlineExceededError(
          "the server accepted the connection, but did not answer the hello in time");
    }
    Flush();
    if (!SleepUntilReadable(deadline_nanos)) {
      return absl::CancelledError("nobody waits for the server's hello any more");
    }
  }
  return greeted_ ? absl::OkStatus() : close_status_;
}

}  // namespace sidecall
