// ConnectionWatch: a connection's wait descriptors, as an event loop watches them. Their tokens are
// TokenOf(id, 0), TokenOf(id, 1), ...
//
// Thread-safety: the thread with the connection's reader role.
#ifndef SIDECALL_CORE_CONNECTION_WATCH_H_
#define SIDECALL_CORE_CONNECTION_WATCH_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "core/wake_ahead.h"
#include "transport/event_loop.h"
#include "transport/transport.h"

namespace sidecall {

class ConnectionWatch {
 public:
  static uint64_t TokenOf(uint64_t id, size_t descriptor) { return id * kDescriptors + descriptor; }
  static uint64_t IdOf(uint64_t token) { return token / kDescriptors; }

  // Adds the descriptors of `connection`; all, or none where that fails. `id` must not be 0.
  absl::Status Add(EventLoop& events, const Connection& connection, uint64_t id);
  // Has the descriptors of a connection that is polled report nothing but the peer's end, until the next
  // Update: else a thread that sleeps on `events` is woken by frames that have been read by the time it
  // looks.
  void Mute(EventLoop& events);
  // Output that waits for room changes what is waited for: call it before each sleep. `several_cpus`: a peer
  // may run while this thread is woken. False: the kernel is full, and nobody would be woken. Then the
  // connection is closed, the log says so, and the next Poll is due.
  bool Update(EventLoop& events, Connection& connection, bool several_cpus);
  // A poll of the connection gave frames.
  void Heard() { ahead_.Heard(); }
  // Adds a report of one of its descriptors to what Connection::Disarm takes.
  void Note(const EventLoop::Ready& report, ReadyDescriptors& told);
  // Idempotent.
  void Remove(EventLoop& events) {
    watched_.deaths = 0;
    RemoveFirst(events, std::exchange(watched_.count, 0));
  }

 private:
  static constexpr uint64_t kDescriptors = 4;
  static_assert(kDescriptors >= WaitDescriptors{}.items.size());
  absl::Status Want(EventLoop& events, size_t descriptor, short wanted);
  void RemoveFirst(EventLoop& events, size_t count);

  uint64_t id_ = 0;
  WaitDescriptors watched_;
  WakeAhead ahead_;
  bool wakes_ahead_ = false;  // the first descriptor, where nobody waits for room, is watched for reads
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_CONNECTION_WATCH_H_
