// floor/unix: a Unix stream socket with large kernel buffers.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "byte_stream_floor.h"
#include "fd_passing.h"
#include "floor.h"

namespace bench {
namespace {

absl::Status Prepare(int socket, Mode mode) {
  const int bytes = 4 << 20;
  if (setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes) < 0 ||
      setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes) < 0 ||
      (mode == Mode::kHot && fcntl(socket, F_SETFL, O_NONBLOCK) < 0)) {
    return absl::ErrnoToStatus(errno, "options of a socket");
  }
  return absl::OkStatus();
}

StreamEnd EndOf(int socket) {
  return StreamEnd(socket, socket, {.read = &read, .write = &write});
}

}  // namespace

absl::StatusOr<std::unique_ptr<WorkerClient>> ConnectUnix(const WorkerOptions& options) {
  const absl::StatusOr<int> socket = ConnectTo(options.address);
  if (!socket.ok()) return socket.status();
  if (absl::Status status = Prepare(*socket, options.mode); !status.ok()) return status;
  return MakeByteStreamClient(EndOf(*socket), options);
}

absl::Status ServeUnix(const WorkerOptions& options, const std::function<void()>& ready) {
  const absl::StatusOr<int> socket = AcceptOne(options.address, ready);
  if (!socket.ok()) return socket.status();
  if (absl::Status status = Prepare(*socket, options.mode); !status.ok()) return status;
  return ServeByteStream(EndOf(*socket), options);
}

}  // namespace bench
