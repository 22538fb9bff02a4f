// floor/pipe: two pipes, as large as an ordinary process may have them.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "byte_stream_floor.h"
#include "fd_passing.h"
#include "floor.h"

namespace bench {
namespace {

// In, and out, of one side.
using Ends = std::array<int, 2>;

absl::Status MakePipe(int& in, int& out) {
  Ends ends{};
  constexpr int kBytes = 1 << 20;
  if (pipe2(ends.data(), O_CLOEXEC) != 0 || fcntl(ends[0], F_SETPIPE_SZ, kBytes) < 0) {
    return absl::ErrnoToStatus(errno, "make a pipe");
  }
  in = ends[0];
  out = ends[1];
  return absl::OkStatus();
}

absl::StatusOr<StreamEnd> Prepare(const Ends& ends, Mode mode) {
  signal(SIGPIPE, SIG_IGN);
  for (const int end : ends) {
    if (mode == Mode::kHot && fcntl(end, F_SETFL, O_NONBLOCK) < 0) {
      return absl::ErrnoToStatus(errno, "options of a pipe");
    }
  }
  return StreamEnd(ends[0], ends[1], {.read = &read, .write = &write});
}

}  // namespace

absl::StatusOr<std::unique_ptr<WorkerClient>> ConnectPipe(const WorkerOptions& options) {
  const absl::StatusOr<int> socket = ConnectTo(options.address);
  if (!socket.ok()) return socket.status();
  Ends ends{};
  if (absl::Status status = ReceiveFds(*socket, ends); !status.ok()) return status;
  const absl::StatusOr<StreamEnd> end = Prepare(ends, options.mode);
  if (!end.ok()) return end.status();
  return MakeByteStreamClient(*end, options);
}

absl::Status ServePipe(const WorkerOptions& options, const std::function<void()>& ready) {
  Ends own{};
  Ends clients{};
  absl::Status made = MakePipe(own[0], clients[1]);
  if (made.ok()) made = MakePipe(clients[0], own[1]);
  if (!made.ok()) return made;
  const absl::StatusOr<int> socket = AcceptOne(options.address, ready);
  if (!socket.ok()) return socket.status();
  if (absl::Status status = SendFds(*socket, clients); !status.ok()) return status;
  for (const int end : clients) close(end);
  const absl::StatusOr<StreamEnd> end = Prepare(own, options.mode);
  return end.ok() ? ServeByteStream(*end, options) : end.status();
}

}  // namespace bench
