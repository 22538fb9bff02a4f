#include "core/acceptor.h"

#include <poll.h>

#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/process_counters.h"
#include "transport/logging.h"

namespace sidecall {
namespace {

// Those who have connected already are to be served, too, however many come.
constexpr int kMostAtATime = 64;
// More than a listening socket holds (net.core.somaxconn).
constexpr int kMostThatWait = 65'536;

}  // namespace

void NoteRefused(const absl::Status& why) {
  process_counters.Of(CallSide::kServer).failed.fetch_add(1, std::memory_order_relaxed);
  if (LogEnabled(LogLevel::kWarning)) {
    LogOfPeer(LogLevel::kWarning, absl::StrCat("a connection was refused: ", why.ToString()));
  }
}

absl::Status Acceptor::Add(std::unique_ptr<Listener> listener) {
  listeners_.push_back(std::move(listener));
  return events_.Add(listeners_.back()->descriptor(), POLLIN, listeners_.size());
}

absl::Status Acceptor::Replace(size_t index, std::unique_ptr<Listener> listener) {
  const uint64_t token = index + 1;
  AcceptUpTo(kMostThatWait, token);
  std::unique_ptr<Listener>& place = listeners_[index];
  if (place != nullptr) events_.Remove(place->descriptor(), token);
  place = std::move(listener);
  absl::Status added = events_.Add(place->descriptor(), POLLIN, token);
  if (!added.ok()) place.reset();
  return added;
}

void Acceptor::Close() {
  for (size_t i = 0; i < listeners_.size(); i++) {
    if (listeners_[i] == nullptr) continue;
    events_.Remove(listeners_[i]->descriptor(), i + 1);
    listeners_[i].reset();
  }
}

void Acceptor::Accept(uint64_t token) {
  if (AcceptUpTo(kMostAtATime, token)) return;
  // Reported once, the token is not again before the next one comes.
  more_.push_back(token);
  events_.Wake();
}

void Acceptor::AcceptMore() {
  for (const uint64_t token : std::exchange(more_, {})) Accept(token);
}

bool Acceptor::AcceptUpTo(int most, uint64_t token) {
  const std::unique_ptr<Listener>& listener = listeners_[token - 1];
  for (int tried = 0; listener != nullptr; tried++) {
    if (tried == most) return false;
    auto connection = listener->Accept();
    if (connection.ok() && *connection == nullptr) return true;
    if (connection.ok()) {
      try {
        take_(*std::move(connection));
      } catch (const std::bad_alloc&) {
        NoteRefused(absl::ResourceExhaustedError("no memory"));
      }
      continue;
    }
    // A peer that has left again, as one does that only looks whether somebody listens, is no news.
    if (absl::IsUnavailable(connection.status())) continue;
    NoteRefused(connection.status());
    if (absl::IsResourceExhausted(connection.status())) {
      paused_ = true;
      return true;
    }
  }
  return true;
}

void Acceptor::Resume() {
  paused_ = false;
  for (size_t i = 0; i < listeners_.size(); i++) Accept(i + 1);
}

}  // namespace sidecall
