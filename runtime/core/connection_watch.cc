#include "core/connection_watch.h"

#include "absl/strings/str_cat.h"
#include "transport/logging.h"

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
  wakes_ahead_ = false;
  for (size_t i = 0; i + watched_.deaths < watched_.count; i++) (void)Want(events, i, 0);
}

bool ConnectionWatch::Update(EventLoop& events, Connection& connection, bool several_cpus) {
  WaitDescriptors wanted = connection.wait_descriptors();
  short& first = wanted.items[0].events;
  const bool ahead =
      ahead_.WantedForSleep() && several_cpus && wanted.tells_of_reads && (first & POLLOUT) == 0;
  if (ahead) first |= POLLOUT;
  // Room that is waited for from now on may be there, and have been told of.
  if (std::exchange(wakes_ahead_, ahead) != ahead) watched_.items[0].events = 0;
  for (size_t i = 0; i < watched_.count; i++) {
    const absl::Status watched = Want(events, i, wanted.items[i].events);
    if (watched.ok()) continue;
    if (LogEnabled(LogLevel::kError)) {
      Log(LogLevel::kError, absl::StrCat("the connection with ", connection.peer().ToString(),
                                         " is closed, as it cannot be watched: ", watched.ToString()));
    }
    connection.Close();
    return false;
  }
  return true;
}

void ConnectionWatch::Note(const EventLoop::Ready& report, ReadyDescriptors& told) {
  const uint32_t bit = 1u << (report.token % kDescriptors);
  told.ready |= bit;
  if (report.ended) told.ended |= bit;
  if (wakes_ahead_ && bit == 1) ahead_.Woken();
}

absl::Status ConnectionWatch::Want(EventLoop& events, size_t descriptor, short wanted) {
  pollfd& watched = watched_.items[descriptor];
  if (watched.events == wanted) return absl::OkStatus();
  absl::Status modified = events.Modify(watched.fd, wanted, TokenOf(id_, descriptor));
  if (modified.ok()) watched.events = wanted;
  return modified;
}

void ConnectionWatch::RemoveFirst(EventLoop& events, size_t count) {
  for (size_t i = 0; i < count; i++) events.Remove(watched_.items[i].fd, TokenOf(id_, i));
}

}  // namespace sidecall
