#include "core/worker_pool.h"

#include <poll.h>

#include <chrono>
#include <exception>
#include <system_error>
#include <utility>

namespace sidecall {
namespace {

// Seldom: where both sides poll on two CPUs, each look takes one of them away from a call.
constexpr std::chrono::milliseconds kTick{6};
// A handler that a look finds running, and that still runs this much later, is slow.
constexpr std::chrono::milliseconds kSlow{1};
// While the reader polls without end, its timers are looked at every half a second.
constexpr uint32_t kTicksPerLook = 80;
// Looks that find nothing new before the supervisor parks.
constexpr int kQuietTicks = 4;

}  // namespace

thread_local constinit HandlerScope* HandlerScope::current = nullptr;

WorkerPool::WorkerPool(Loop& loop, size_t max_threads) : loop_(loop), max_threads_(max_threads) {}

WorkerPool::~WorkerPool() {
  Stop();
}

void WorkerPool::Start() {
  {
    std::lock_guard lock(mutex_);
    SpawnLocked();
  }
  supervisor_ = std::thread([this] { RunSupervisor(); });
}

void WorkerPool::Stop() {
  {
    std::scoped_lock lock(mutex_, supervisor_mutex_);
    stopping_.store(true, std::memory_order_release);
  }
  spare_.notify_all();
  stand_in_wake_.notify_all();
  supervisor_wake_.notify_all();
  loop_.Wake();
  if (supervisor_.joinable()) supervisor_.join();
  // A worker may still spawn another until it sees `stopping`; none does after that.
  std::vector<std::thread> workers;
  {
    std::lock_guard lock(mutex_);
    workers.swap(workers_);
  }
  for (std::thread& worker : workers) worker.join();
  if (stand_in_.joinable()) stand_in_.join();
}

void WorkerPool::SpawnLocked() {
  workers_.emplace_back([this] { RunWorker(); });
}

bool WorkerPool::TrySpawnLocked() {
  try {
    SpawnLocked();
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

bool WorkerPool::FillReader() {
  {
    std::lock_guard lock(mutex_);
    if (spares_ > 0) {
      fill_wanted_ = true;
      spare_.notify_one();
      return true;
    }
    if (workers_.size() < max_threads_ && !stopping() && TrySpawnLocked()) return true;
    fill_wanted_ = true;
  }
  // Else the next handler that ends takes the role; until then, where nobody else does, the supervisor finds
  // it free.
  if (!loop_.WakeWaitingHandler()) NoteHandler();
  return false;
}

void WorkerPool::RunWorker() {
  Loop::Ended ended = Loop::Ended::kRoleLost;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      spares_++;
      if (stand_in_reads_) loop_.Wake();
      if (ended == Loop::Ended::kRoleGiven) {
        spare_.wait(lock, [this] { return stopping() || std::exchange(fill_wanted_, false); });
      }
      spare_.wait(lock, [this] { return stopping() || role_.TryTake(); });
      spares_--;
      if (stopping()) return;
    }
    ended = loop_.RunAsReader();
  }
}

bool WorkerPool::HasSpare() {
  const std::lock_guard lock(mutex_);
  return spares_ > 0;
}

void WorkerPool::WantStandIn() {
  const std::lock_guard lock(mutex_);
  if (spares_ > 0 || stopping()) return;
  stand_in_wanted_ = true;
  stand_in_wake_.notify_one();
  if (stand_in_.joinable()) return;
  try {
    stand_in_ = std::thread([this] { RunStandIn(); });
  } catch (const std::system_error&) {
    // Then nobody reads before a handler ends.
  }
}

void WorkerPool::RunStandIn() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      stand_in_reads_ = false;
      stand_in_wake_.wait(lock, [this] { return stopping() || std::exchange(stand_in_wanted_, false); });
      if (stopping()) return;
      if (spares_ > 0 || !role_.TryTake()) continue;
      stand_in_reads_ = true;
    }
    loop_.RunAsStandIn();
  }
}

// Sleeps for `tick`; false where the pool stops. While the reader polls, nobody sleeps on the event loop:
// then the supervisor does.
bool WorkerPool::AwaitTick(std::chrono::milliseconds tick, bool reader_polls) {
  if (reader_polls) {
    pollfd item{.fd = loop_.event_descriptor(), .events = POLLIN, .revents = 0};
    if (poll(&item, 1, static_cast<int>(tick.count())) > 0) {
      loop_.EventsReady();
    } else {
      return !stopping();
    }
  }
  std::unique_lock lock(supervisor_mutex_);
  return !supervisor_wake_.wait_for(lock, tick, [this] { return stopping(); });
}

void WorkerPool::RunSupervisor() {
  ReaderRole::Ticket seen = role_.Look();
  uint64_t sleeps = loop_.sleeps();
  int quiet = 0;
  bool reader_polls = false;
  uint32_t polling_ticks = 0;
  while (AwaitTick(kTick, reader_polls)) {
    const ReaderRole::Ticket now = role_.Look();
    const bool same = now == std::exchange(seen, now);
    if (ReaderRole::IsHandling(now)) {
      if (!AwaitTick(kSlow, false)) return;
      if (role_.Steal(now)) {
        FillReader();
        seen = role_.Look();
        continue;
      }
    }
    // Nobody has taken it since the last look: all threads are in handlers.
    if (same && role_.IsFree()) WantStandIn();
    const uint64_t sleeps_now = loop_.sleeps();
    const bool slept = sleeps_now != std::exchange(sleeps, sleeps_now);
    const bool polled = std::exchange(reader_polls, !same && !slept);
    if (reader_polls && (!polled || ++polling_ticks % kTicksPerLook == 0)) loop_.EventsReady();
    quiet = same ? quiet + 1 : 0;
    if (quiet < kQuietTicks) continue;
    if (!supervisor_parked_.load(std::memory_order_relaxed)) {
      // One more tick: by then a handler that started without seeing this has become visible in the role.
      supervisor_parked_.store(true, std::memory_order_seq_cst);
      continue;
    }
    std::unique_lock lock(supervisor_mutex_);
    supervisor_wake_.wait(
        lock, [this] { return stopping() || !supervisor_parked_.load(std::memory_order_relaxed); });
    quiet = 0;
  }
}

void WorkerPool::UnparkSupervisor() {
  {
    std::lock_guard lock(supervisor_mutex_);
    supervisor_parked_.store(false, std::memory_order_relaxed);
  }
  supervisor_wake_.notify_one();
}

void RoleOffer::Yield() {
  if (!offered_ || yielded_) return;
  yielded_ = true;
  if (pool_.role().Steal(ticket_)) pool_.FillReader();
}

}  // namespace sidecall
