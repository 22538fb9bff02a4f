// The first line that a child writes, as its parent reads it.
#ifndef SIDECALL_TRANSPORTS_EXEC_GREETING_H_
#define SIDECALL_TRANSPORTS_EXEC_GREETING_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "transports/exec/child.h"

namespace sidecall {

// Byte by byte: what follows the line is the stream's.
class Greeting {
 public:
  explicit Greeting(std::string cookie) : cookie_(std::move(cookie)) {}

  // Reads what is there of `in`, which does not wait. True once it is whole and as it must be. UNAVAILABLE
  // (`in` has ended), FAILED_PRECONDITION (another version, or no plug-in at all).
  absl::StatusOr<bool> ReadFrom(int in, const ChildRecord& child);

 private:
  absl::Status Check(const ChildRecord& child) const;

  const std::string cookie_;
  std::string line_;
};

// How long a child may take to greet; it may be in a debugger's hands.
inline constexpr int64_t kGreetingPatienceNanos = 10'000'000'000;
// Said of a child that lets its parent wait.
inline constexpr char kDoesNotGreet[] = " does not greet: does it call ParentAddress?";

// UNAVAILABLE: how `child` ended before it greeted, for which it waits as AwaitEnd.
absl::Status EndedBeforeGreeting(const ChildRecord& child, int64_t deadline_nanos);

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_EXEC_GREETING_H_
