// This process's statistics as a message, so that those of a server in another process look the same.
#ifndef SIDECALL_TESTS_CONFORMANCE_CALL_STATISTICS_H_
#define SIDECALL_TESTS_CONFORMANCE_CALL_STATISTICS_H_

#include <string>

#include "sidecall/statistics.h"
#include "testing.sidecall.h"

namespace conformance {

// Of `method`, all 0 where it was never called, and of the process as a whole.
StatisticsReply StatisticsOf(sidecall::CallSide side, const std::string& method);

}  // namespace conformance

#endif  // SIDECALL_TESTS_CONFORMANCE_CALL_STATISTICS_H_
