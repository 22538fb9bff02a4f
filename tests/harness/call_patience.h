// How long a test waits before it says that something hangs, and how much load a build can take.
#ifndef SIDECALL_TESTS_HARNESS_CALL_PATIENCE_H_
#define SIDECALL_TESTS_HARNESS_CALL_PATIENCE_H_

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "absl/time/time.h"
#include "sidecall/client_context.h"

namespace conformance {

// Never reached where all is well.
inline constexpr std::chrono::seconds kPatience{40};

#if defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
inline constexpr int kSlowness = 10;
#elif defined(__SANITIZE_ADDRESS__)
inline constexpr bool kSanitized = true;
inline constexpr int kSlowness = 4;
#else
inline constexpr bool kSanitized = false;
inline constexpr int kSlowness = 1;
#endif

// `count`, less where a sanitizer makes each many times as dear, times SIDECALL_TEST_EFFORT: for runs that
// may take their time.
inline int Scaled(int count) {
  const char* effort = std::getenv("SIDECALL_TEST_EFFORT");
  return std::max(count / kSlowness, 1) * (effort != nullptr ? std::max(std::atoi(effort), 1) : 1);
}

// The context of a call that must not hang.
struct PatientContext : sidecall::ClientContext {
  PatientContext() { set_timeout(absl::FromChrono(kPatience)); }
};

}  // namespace conformance

#endif  // SIDECALL_TESTS_HARNESS_CALL_PATIENCE_H_
