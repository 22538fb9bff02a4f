#include "core/call_counters.h"

#include <pthread.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

#include "core/process_counters.h"

namespace sidecall {
namespace {

// Where a thread begins calls more often than every so many ticks (some 10 us), the next few are not timed.
constexpr uint64_t kSeldomTicks = 1u << 15;
// How many: at least so many, and up to 15 more, at random, lest calls that come in turns are always the
// same one's.
constexpr uint32_t kLeastUntimed = 8;

// One thread's. Tables grow under the registry's mutex, and only by that thread.
struct Block {
  std::vector<std::unique_ptr<MethodCounters>> counters;
  std::array<std::vector<MethodCounters*>, 2> by_id;
};

// Of the process. Never destroyed: threads may count while it ends.
struct Registry {
  Registry();
  // A free block, or a new one. REQUIRES: the mutex is held.
  Block* Take();

  std::mutex mutex;
  std::vector<std::unique_ptr<Block>> blocks;
  std::vector<Block*> free;  // of threads that have ended
};

Registry& TheRegistry() {
  static Registry* const registry = new Registry;
  return *registry;
}

// Gives the block back when the thread ends. What is counted after that, by other objects of the thread that
// end later, goes to a block that is given back no more.
struct OwnBlock {
  ~OwnBlock() {
    call_counters::tables = {};
    if (block == nullptr) return;
    Registry& registry = TheRegistry();
    const std::lock_guard lock(registry.mutex);
    registry.free.push_back(std::exchange(block, nullptr));
  }
  Block* block = nullptr;
};
thread_local OwnBlock own;

void Clear(MethodCounters& counters) {
  for (Counter* counter :
       {&counters.started, &counters.bytes_sent, &counters.bytes_received, &counters.messages_sent,
        &counters.messages_received, &counters.latency_sum, &counters.latency_max}) {
    counter->Clear();
  }
  for (Counter& counter : counters.ended) counter.Clear();
  for (Counter& counter : counters.latency) counter.Clear();
}

// In the child of a fork, the mutex held since before: the other threads are gone, and what was counted is
// the parent's.
void ForgetParent() {
  Registry& registry = TheRegistry();
  registry.free.clear();
  for (const auto& block : registry.blocks) {
    for (const auto& counters : block->counters) Clear(*counters);
    if (block.get() != own.block) registry.free.push_back(block.get());
  }
  ClearProcessCounters();
  registry.mutex.unlock();
}

Registry::Registry() {
  pthread_atfork([] { TheRegistry().mutex.lock(); }, [] { TheRegistry().mutex.unlock(); }, ForgetParent);
}

Block* Registry::Take() {
  if (free.empty()) {
    blocks.push_back(std::make_unique<Block>());
    free.reserve(blocks.size());  // A thread that ends has no memory to ask for.
    return blocks.back().get();
  }
  Block* block = free.back();
  free.pop_back();
  return block;
}

void ReadEnvironment() {
  static const bool read = [] {
    const char* const wanted = std::getenv("SIDECALL_STATISTICS");
    if (wanted != nullptr && std::string_view(wanted) == "off") call_counters::off = true;
    return true;
  }();
  (void)read;
}

void PublishTables(Block& block) {
  for (size_t side = 0; side < block.by_id.size(); side++) {
    call_counters::tables[side] = {.entries = block.by_id[side].data(),
                                   .size = static_cast<uint32_t>(block.by_id[side].size())};
  }
}

}  // namespace

namespace call_counters {

thread_local constinit std::array<Table, 2> tables{};
constinit std::atomic<bool> off{false};

MethodCounters* Make(CallSide side, const internal::Method& method) {
  ReadEnvironment();
  if (off.load(std::memory_order_relaxed)) return nullptr;
  const uint32_t id = method.id();
  try {
    Registry& registry = TheRegistry();
    const std::lock_guard lock(registry.mutex);
    if (own.block == nullptr) own.block = registry.Take();
    Block& block = *own.block;
    std::vector<MethodCounters*>& by_id = block.by_id[static_cast<size_t>(side)];
    if (id >= by_id.size()) by_id.resize(id + 1);
    if (by_id[id] == nullptr) {
      block.counters.push_back(std::make_unique<MethodCounters>(std::string(method.full_name()), side));
      by_id[id] = block.counters.back().get();
    }
    PublishTables(block);
    return by_id[id];
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void VisitAll(absl::FunctionRef<void(const MethodCounters&)> visit) {
  Registry& registry = TheRegistry();
  const std::lock_guard lock(registry.mutex);
  for (const auto& block : registry.blocks) {
    for (const auto& counters : block->counters) visit(*counters);
  }
}

void BeginTimed(MethodCounters& counters, internal::CallMeasure& measure) {
  const uint64_t now = Ticks();
  const uint64_t since = now - std::exchange(counters.timed_at, now);
  measure.began = now;
  measure.stands_for = 1 + counters.next_stands_for;
  const bool often = since < measure.stands_for * kSeldomTicks;
  counters.untimed_left = often ? kLeastUntimed + static_cast<uint32_t>(now >> 4 & 15) : 0;
  counters.next_stands_for = counters.untimed_left;
}

void NoteLatency(MethodCounters& counters, const internal::CallMeasure& measure) {
  const uint64_t now = Ticks();
  const uint64_t took = now > measure.began ? now - measure.began : 0;
  counters.latency[latency_buckets::IndexOf(took)].Add(measure.stands_for);
  counters.latency_sum.Add(took * measure.stands_for);
  counters.latency_max.Raise(took);
}

}  // namespace call_counters

void SetStatisticsEnabled(bool enabled) {
  ReadEnvironment();
  call_counters::off.store(!enabled, std::memory_order_relaxed);
}

bool StatisticsEnabled() {
  ReadEnvironment();
  return !call_counters::off.load(std::memory_order_relaxed);
}

}  // namespace sidecall
