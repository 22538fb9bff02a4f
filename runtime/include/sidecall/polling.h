// Polling: how a thread waits for its peer. A cross-core wake-up costs tens of microseconds, a poll a
// fraction of one.
#ifndef SIDECALL_POLLING_H_
#define SIDECALL_POLLING_H_

namespace sidecall {

enum class Polling {
  kOff,       // sleep at once: least CPU, a wake-up in every reply's way
  kAdaptive,  // poll for about as long as a wake-up would cost, where recent replies came that fast; then
              // sleep
};

// kAdaptive, unless the environment says SIDECALL_POLLING=off.
Polling DefaultPolling();

}  // namespace sidecall

#endif  // SIDECALL_POLLING_H_
