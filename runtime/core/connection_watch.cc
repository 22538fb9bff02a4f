#include "core/connection_watch.h"

namespace sidecall {

absl::Status ConnectionWatch::Add(EventLoop& events, const Connection& connection, uint64_t id) {
  id_ = id;
  const WaitDescriptors wanted = connection.wait_descriptors();
  for (size_t i = 0; i < wanted.count; i++) {
    absl::Status added = events.Add(wanted.items[i].fd, wanted.items[i].events, TokenOf(id, i));
    if (added.ok()) continue;
    watched_ = wanted;
    watched_.count = watched_.deaths = 0;
    RemoveFirst(events, i);
    return added;
  }
  watched_ = wanted;
  return absl::OkStatus();
}

void ConnectionWatch::Mute(EventLoop& events) {
  for (size_t i = 0; i + watched_.deaths < watched_.count; i++) Want(events, i, 0);
}

void ConnectionWatch::Update(EventLoop& events, const Connection& connection) {
  const WaitDescriptors wanted = connection.wait_descriptors();
  for (size_t i = 0; i < watched_.count; i++) Want(events, i, wanted.items[i].events);
}

void ConnectionWatch::Want(EventLoop& events, size_t descriptor, short wanted) {
  pollfd& watched = watched_.items[descriptor];
  if (watched.events == wanted) return;
  watched.events = wanted;
  // Cannot fail: the descriptor is there, and nothing is allocated.
  (void)events.Modify(watched.fd, wanted, TokenOf(id_, descriptor));
}

void ConnectionWatch::RemoveFirst(EventLoop& events, size_t count) {
  for (size_t i = 0; i < count; i++) events.Remove(watched_.items[i].fd, TokenOf(id_, i));
}

}  // namespace sidecall
