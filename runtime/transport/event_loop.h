// EventLoop: sleeps on many descriptors at once. Two implementations behind one face: io_uring and epoll.
//
// Threads: one waits at a time, but not always the same one (the reader role moves between threads). Add,
// Remove and Wake come from any thread.
#ifndef SIDECALL_TRANSPORT_EVENT_LOOP_H_
#define SIDECALL_TRANSPORT_EVENT_LOOP_H_

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace sidecall {

class EventLoop {
 public:
  struct Ready {
    uint64_t token = 0;
    bool ended = false;  // the other end has hung up or the fd failed, beside what else there may be
  };

  virtual ~EventLoop() = default;

  // Reports `token` (not 0) once for each time that `fd` becomes ready for `events` (POLLIN, POLLOUT):
  // edge-triggered. An fd that is ready already is reported, and so are hang-ups. For no events at all
  // nothing is, and the fd costs the kernel nothing. RESOURCE_EXHAUSTED where the kernel is full.
  virtual absl::Status Add(int fd, short events, uint64_t token) = 0;
  // The same with other events, for an fd that was added. Fails only where there were none before.
  virtual absl::Status Modify(int fd, short events, uint64_t token) = 0;
  // Must be called before `fd` is closed. A report of it may still come once.
  virtual void Remove(int fd, uint64_t token) = 0;

  // Sleeps until something is ready or `deadline_nanos` (CLOCK_MONOTONIC; 0 for a look only) has come;
  // appends what is.
  virtual void Wait(int64_t deadline_nanos, std::vector<Ready>& ready) = 0;
  // Ends a Wait that sleeps now, or the next one.
  virtual void Wake() = 0;

  // Readable while a Wait would find something: for a second thread to sleep on.
  virtual int descriptor() const = 0;
  // "io_uring" or "epoll".
  virtual std::string_view name() const = 0;
};

// epoll; or io_uring where the environment says SIDECALL_EVENT_LOOP=io_uring and the kernel allows it (else
// epoll serves, and a warning says why, once). docs/decisions/0002 tells why epoll is the default for now.
absl::StatusOr<std::unique_ptr<EventLoop>> MakeEventLoop();

// One each, for MakeEventLoop and for tests.
absl::StatusOr<std::unique_ptr<EventLoop>> MakeEpollEventLoop();
absl::StatusOr<std::unique_ptr<EventLoop>> MakeIoUringEventLoop();

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORT_EVENT_LOOP_H_
