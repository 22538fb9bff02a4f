#include "registry/registry_watch.h"

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "transport/clock.h"
#include "transport/logging.h"

namespace sidecall {
namespace {

// Names that come and go in a directory; and of a file: names that go (its links change), and that whoever
// had it open for writing has closed it, as the kernel does for who dies.
constexpr uint32_t kEvents = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE |
                             IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;
constexpr int64_t kOnceMoreNanos = 20'000'000;
constexpr int64_t kAgainNanos = 1'000'000'000;

}  // namespace

RegistryWatch& RegistryWatch::Get() {
  static std::atomic<RegistryWatch*> current{nullptr};
  RegistryWatch* watch = current.load(std::memory_order_acquire);
  // In a child of fork() the thread is not, and the descriptor is the parent's.
  while (watch == nullptr || watch->process_ != getpid()) {
    std::unique_ptr<RegistryWatch> fresh(new RegistryWatch);
    if (current.compare_exchange_strong(watch, fresh.get(), std::memory_order_acq_rel))
      watch = fresh.release();
  }
  return *watch;
}

RegistryWatch::RegistryWatch() : process_(getpid()), inotify_(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {}

// REQUIRES: the mutex is held.
std::string RegistryWatch::StartThread() {
  if (std::exchange(started_, true)) return "";
  const std::string what = "registry directories are looked at when calls fail, and not watched: ";
  if (!inotify_.valid()) {
    return what + "no inotify, perhaps this user's instances are used up (fs.inotify.max_user_instances)";
  }
  try {
    std::thread([this] { Run(); }).detach();
  } catch (const std::system_error& error) {
    return what + error.what();
  }
  return "";
}

bool RegistryWatch::Watch(Watcher& watcher, const std::vector<std::string>& paths) {
  std::unique_lock lock(mutex_);
  std::string complaint = StartThread();
  std::set<int> descriptors;
  for (const std::string& path : paths) {
    const int descriptor = inotify_add_watch(inotify_.get(), path.c_str(), kEvents | IN_DONT_FOLLOW);
    if (descriptor >= 0) {
      descriptors.insert(descriptor);
      watchers_[descriptor].insert(&watcher);
    } else if (errno == ENOSPC) {
      complaint =
          path + " is not watched: this user's watches are used up. Raise fs.inotify.max_user_watches";
    }
  }
  const std::set<int> before = std::exchange(watched_[&watcher], descriptors);
  for (const int descriptor : before) {
    if (!descriptors.contains(descriptor)) RemoveFrom(watcher, descriptor);
  }
  lock.unlock();
  if (!complaint.empty()) LogOfPeer(LogLevel::kWarning, complaint);
  return !std::includes(before.begin(), before.end(), descriptors.begin(), descriptors.end());
}

void RegistryWatch::Forget(Watcher& watcher) {
  std::unique_lock lock(mutex_);
  told_.wait(lock, [&] { return telling_ != &watcher; });
  for (const int descriptor : watched_[&watcher]) RemoveFrom(watcher, descriptor);
  watched_.erase(&watcher);
}

// REQUIRES: the mutex is held.
void RegistryWatch::RemoveFrom(Watcher& watcher, int descriptor) {
  auto found = watchers_.find(descriptor);
  if (found == watchers_.end()) return;
  found->second.erase(&watcher);
  if (!found->second.empty()) return;
  watchers_.erase(found);
  inotify_rm_watch(inotify_.get(), descriptor);
}

void RegistryWatch::Run() {
  pthread_setname_np(pthread_self(), "sidecall-watch");
  std::set<Watcher*> once_more;
  int64_t once_more_at = kInfiniteFutureNanos;
  const auto add = [&](const std::set<Watcher*>& watchers, int64_t at) {
    once_more.insert(watchers.begin(), watchers.end());
    if (!watchers.empty()) once_more_at = std::min(once_more_at, at);
  };
  for (;;) {
    const std::set<Watcher*> changed = AwaitChanges(once_more_at);
    std::set<Watcher*> again = Tell(changed);
    const int64_t now = MonotonicNanos();
    if (now >= once_more_at) {
      once_more_at = kInfiniteFutureNanos;
      again.merge(Tell(std::exchange(once_more, {})));
    }
    add(changed, now + kOnceMoreNanos);
    add(again, now + kAgainNanos);
  }
}

std::set<RegistryWatch::Watcher*> RegistryWatch::AwaitChanges(int64_t deadline_nanos) {
  std::set<Watcher*> changed;
  pollfd item{.fd = inotify_.get(), .events = POLLIN, .revents = 0};
  int timeout = -1;
  if (deadline_nanos != kInfiniteFutureNanos) {
    timeout = static_cast<int>(std::max<int64_t>(deadline_nanos - MonotonicNanos(), 0) / 1'000'000) + 1;
  }
  if (poll(&item, 1, timeout) <= 0) return changed;
  alignas(inotify_event) std::array<char, 4096> bytes;
  const ssize_t size = read(inotify_.get(), bytes.data(), bytes.size());
  const std::lock_guard lock(mutex_);
  for (ssize_t at = 0; at < size;) {
    inotify_event event;
    std::memcpy(&event, bytes.data() + at, sizeof event);
    at += static_cast<ssize_t>(sizeof event + event.len);
    if ((event.mask & IN_Q_OVERFLOW) != 0) {
      for (const auto& [watcher, descriptors] : watched_) changed.insert(watcher);
    } else if (auto found = watchers_.find(event.wd); found != watchers_.end()) {
      changed.insert(found->second.begin(), found->second.end());
      if ((event.mask & IN_IGNORED) != 0) watchers_.erase(found);  // What it was is gone.
    }
  }
  return changed;
}

std::set<RegistryWatch::Watcher*> RegistryWatch::Tell(const std::set<Watcher*>& watchers) {
  std::set<Watcher*> again;
  for (Watcher* watcher : watchers) {
    {
      const std::lock_guard lock(mutex_);
      if (!watched_.contains(watcher)) continue;  // Forgotten meanwhile.
      telling_ = watcher;
    }
    if (watcher->OnRegistryChange()) again.insert(watcher);
    {
      const std::lock_guard lock(mutex_);
      telling_ = nullptr;
    }
    told_.notify_all();
  }
  return again;
}

}  // namespace sidecall
