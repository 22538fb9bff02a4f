// CallMeasure: what the statistics remember of one call while it is in flight.
#ifndef SIDECALL_INTERNAL_CALL_MEASURE_H_
#define SIDECALL_INTERNAL_CALL_MEASURE_H_

#include <cstdint>

namespace sidecall::internal {

class Method;

struct CallMeasure {
  const Method* method = nullptr;  // null: not counted, or not any more
  uint64_t began = 0;              // in ticks; 0: not timed
  uint32_t stands_for = 0;         // so many calls, itself included, where it is timed
  uint64_t bytes_sent = 0;
  uint64_t bytes_received = 0;
};

}  // namespace sidecall::internal

#endif  // SIDECALL_INTERNAL_CALL_MEASURE_H_
