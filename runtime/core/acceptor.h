// Acceptor: the listeners of a server, and the connections that come to them.
#ifndef SIDECALL_CORE_ACCEPTOR_H_
#define SIDECALL_CORE_ACCEPTOR_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "transport/event_loop.h"
#include "transport/transport.h"

namespace sidecall {

// Counts and logs a connection that the server did not take, or gave up.
void NoteRefused(const absl::Status& why);

// Thread-safety: the reader's alone.
class Acceptor {
 public:
  // `take` is given each connection. `events` must outlive it.
  Acceptor(EventLoop& events, std::function<void(std::unique_ptr<Connection>)> take)
      : events_(events), take_(std::move(take)) {}

  absl::Status Add(std::unique_ptr<Listener> listener);
  // In the place of the one that was added as number `index`, from 0 on, when all that wait there are taken.
  absl::Status Replace(size_t index, std::unique_ptr<Listener> listener);
  // Listens no more.
  void Close();

  // The event loop's token of a listener, for Accept.
  bool IsToken(uint64_t token) const { return token <= listeners_.size(); }
  // Takes some of those that wait there. Where there may be more, `events` is woken for AcceptMore.
  void Accept(uint64_t token);
  void AcceptMore();

  // Descriptors or memory ran out: to be tried again when a connection ended, or a while later.
  bool paused() const { return paused_; }
  void Resume();

 private:
  // False where `most` were taken, or failed to be, and there may be more.
  bool AcceptUpTo(int most, uint64_t token);

  EventLoop& events_;
  const std::function<void(std::unique_ptr<Connection>)> take_;
  std::vector<std::unique_ptr<Listener>> listeners_;  // the first has token 1; null when it is closed
  std::vector<uint64_t> more_;                        // where Accept has left some
  bool paused_ = false;
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_ACCEPTOR_H_
