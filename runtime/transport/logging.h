// Logging, from inside the runtime and its transports.
//
//   if (LogEnabled(LogLevel::kDebug)) Log(LogLevel::kDebug, absl::StrCat("connected to ", address));
//
// REQUIRES: no lock of the runtime's is held: the sink is the user's code. Any thread.
#ifndef SIDECALL_TRANSPORT_LOGGING_H_
#define SIDECALL_TRANSPORT_LOGGING_H_

#include <atomic>
#include <cstdint>
#include <string_view>

#include "sidecall/log.h"

namespace sidecall {

namespace internal {
// 0 until it is known: then everything is enabled, and Log finds out.
extern std::atomic<uint8_t> min_log_level;
}  // namespace internal

inline bool LogEnabled(LogLevel level) {
  return static_cast<uint8_t>(level) >= internal::min_log_level.load(std::memory_order_relaxed);
}

// Gives `message` to the sink, where its level is enabled.
void Log(LogLevel level, std::string_view message);
// The same for what any peer can cause as often as it likes: some at once, then one a second, which tells how
// many were left out.
void LogOfPeer(LogLevel level, std::string_view message);

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORT_LOGGING_H_
