// Counters of calls: each thread has its own, of each method and side, and is the only one that writes them:
// plain loads and stores, no locked instruction. Whoever takes a snapshot reads those of all threads.
//
//   CountStart(CallSide::kClient, method, measure);  // any thread
//   ...
//   CountEnd(CallSide::kClient, measure, code);      // any thread, perhaps another
//
// A thread that ends leaves its counters, as they are, to the next that begins: nothing is ever merged or
// lost.
#ifndef SIDECALL_CORE_CALL_COUNTERS_H_
#define SIDECALL_CORE_CALL_COUNTERS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "core/latency_buckets.h"
#include "core/tick_clock.h"
#include "sidecall/internal/call_measure.h"
#include "sidecall/internal/method.h"
#include "sidecall/statistics.h"

namespace sidecall {

// Written by one thread, read by any.
class Counter {
 public:
  void Add(uint64_t count) {
    value_.store(value_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }
  void Raise(uint64_t value) {
    if (value > value_.load(std::memory_order_relaxed)) value_.store(value, std::memory_order_relaxed);
  }
  void Clear() { value_.store(0, std::memory_order_relaxed); }
  uint64_t Get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// One method's, of one side and thread. What every call touches comes first, and is one cache line.
struct alignas(64) MethodCounters {
  MethodCounters(std::string name_of_method, CallSide side_of_calls)
      : name(std::move(name_of_method)), side(side_of_calls) {}

  Counter started;
  Counter bytes_sent;
  Counter bytes_received;
  uint32_t untimed_left = 0;     // calls that are still to be counted without being timed
  uint32_t next_stands_for = 0;  // how many of these the next that is timed speaks for
  uint64_t timed_at = 0;         // when the last that is timed began
  std::array<Counter, kStatusCodes> ended;
  Counter messages_sent;
  Counter messages_received;
  Counter latency_sum;  // in ticks
  Counter latency_max;
  std::array<Counter, latency_buckets::kCount> latency;

  const std::string name;
  const CallSide side;
};

namespace call_counters {

// This thread's counters by method id; null where there are none yet.
struct Table {
  MethodCounters** entries;
  uint32_t size;
};
extern thread_local constinit std::array<Table, 2> tables;  // by side
extern std::atomic<bool> off;

// The first call of a method on this thread. Null where counters are off, or memory is short.
MethodCounters* Make(CallSide side, const internal::Method& method);

inline MethodCounters* Find(CallSide side, const internal::Method& method) {
  const Table& table = tables[static_cast<size_t>(side)];
  const uint32_t id = method.id();
  if (id < table.size && table.entries[id] != nullptr) [[likely]] {
    return table.entries[id];
  }
  return Make(side, method);
}

// Calls `visit` with all threads' counters. They go on counting meanwhile.
void VisitAll(absl::FunctionRef<void(const MethodCounters&)> visit);

// The call is timed. Chooses how many after it are not.
void BeginTimed(MethodCounters& counters, internal::CallMeasure& measure);
void NoteLatency(MethodCounters& counters, const internal::CallMeasure& measure);

}  // namespace call_counters

inline void CountStart(CallSide side, const internal::Method& method, internal::CallMeasure& measure) {
  if (call_counters::off.load(std::memory_order_relaxed)) return;
  MethodCounters* counters = call_counters::Find(side, method);
  if (counters == nullptr) [[unlikely]] {
    return;
  }
  measure.method = &method;
  counters->started.Add(1);
  if (counters->untimed_left > 0) [[likely]] {
    counters->untimed_left--;
    measure.began = 0;
    return;
  }
  call_counters::BeginTimed(*counters, measure);
}

// No effect on a call that is not counted, or has been counted as ended.
inline void CountEnd(CallSide side, internal::CallMeasure& measure, absl::StatusCode code) {
  if (measure.method == nullptr) return;
  MethodCounters* counters = call_counters::Find(side, *std::exchange(measure.method, nullptr));
  if (counters == nullptr) [[unlikely]] {
    return;
  }
  counters->ended[static_cast<size_t>(code)].Add(1);
  counters->bytes_sent.Add(measure.bytes_sent);
  counters->bytes_received.Add(measure.bytes_received);
  if (measure.began != 0) [[unlikely]] {
    call_counters::NoteLatency(*counters, measure);
  }
}

// Messages of a stream, one way, that are yet to be counted: together, as a look-up for each would cost as
// much as it does to take one.
struct MessageTally {
  uint64_t messages = 0;
  uint64_t bytes = 0;

  void Add(size_t message_bytes) {
    messages++;
    bytes += message_bytes;
  }
};

inline void CountMessages(CallSide side, const internal::CallMeasure& measure, MessageTally& tally,
                          Counter MethodCounters::*messages, Counter MethodCounters::*bytes) {
  const MessageTally counted = std::exchange(tally, {});
  if (counted.messages == 0 || measure.method == nullptr) return;
  MethodCounters* counters = call_counters::Find(side, *measure.method);
  if (counters == nullptr) [[unlikely]] {
    return;
  }
  (counters->*messages).Add(counted.messages);
  (counters->*bytes).Add(counted.bytes);
}

// REQUIRES: the call's end has not been counted.
inline void CountMessagesSent(CallSide side, const internal::CallMeasure& measure, MessageTally& tally) {
  CountMessages(side, measure, tally, &MethodCounters::messages_sent, &MethodCounters::bytes_sent);
}
inline void CountMessagesReceived(CallSide side, const internal::CallMeasure& measure, MessageTally& tally) {
  CountMessages(side, measure, tally, &MethodCounters::messages_received, &MethodCounters::bytes_received);
}

}  // namespace sidecall

#endif  // SIDECALL_CORE_CALL_COUNTERS_H_
