// What is counted once a process, seldom: connections, and calls that were refused before they were any
// method's.
#ifndef SIDECALL_CORE_PROCESS_COUNTERS_H_
#define SIDECALL_CORE_PROCESS_COUNTERS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "sidecall/statistics.h"

namespace sidecall {

// Any thread.
struct ProcessCounters {
  struct Connections {
    std::atomic<uint64_t> opened{0};
    std::atomic<uint64_t> ended{0};
    std::atomic<uint64_t> failed{0};
  };
  std::array<Connections, 2> connections;  // by CallSide
  std::array<std::atomic<uint64_t>, kStatusCodes> refused_calls{};

  Connections& Of(CallSide side) { return connections[static_cast<size_t>(side)]; }
};

inline constinit ProcessCounters process_counters;

inline void ClearProcessCounters() {
  for (ProcessCounters::Connections& side : process_counters.connections) {
    side.opened = side.ended = side.failed = 0;
  }
  for (std::atomic<uint64_t>& count : process_counters.refused_calls) count = 0;
}

inline void CountRefusedCall(absl::StatusCode code) {
  process_counters.refused_calls[static_cast<size_t>(code)].fetch_add(1, std::memory_order_relaxed);
}

// One connection, counted as open from Open to Close, or its own end.
class CountedConnection {
 public:
  explicit CountedConnection(CallSide side) : side_(side) {}
  ~CountedConnection() { Close(); }
  CountedConnection(const CountedConnection&) = delete;
  CountedConnection& operator=(const CountedConnection&) = delete;

  void Open() {
    open_ = true;
    process_counters.Of(side_).opened.fetch_add(1, std::memory_order_relaxed);
  }
  void Close() {
    if (!std::exchange(open_, false)) return;
    process_counters.Of(side_).ended.fetch_add(1, std::memory_order_relaxed);
  }

 private:
  const CallSide side_;
  bool open_ = false;
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_PROCESS_COUNTERS_H_
