// The rendezvous of a floor's two processes: a Unix socket at a path, which can carry descriptors.
#ifndef SIDECALL_BENCHMARKS_FLOORS_FD_PASSING_H_
#define SIDECALL_BENCHMARKS_FLOORS_FD_PASSING_H_

#include <functional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace bench {

// Listens at `path`, calls `ready`, and returns the first connection. The caller owns the descriptor.
absl::StatusOr<int> AcceptOne(const std::string& path, const std::function<void()>& ready);
absl::StatusOr<int> ConnectTo(const std::string& path);

// The receiver gets copies of its own, as many as `fds` holds: at most kMostFds.
inline constexpr size_t kMostFds = 8;
absl::Status SendFds(int socket, std::span<const int> fds);
absl::Status ReceiveFds(int socket, std::span<int> fds);

}  // namespace bench

#endif  // SIDECALL_BENCHMARKS_FLOORS_FD_PASSING_H_
