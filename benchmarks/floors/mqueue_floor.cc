// floor/mqueue: two POSIX message queues of the usual limits; what is longer than a message goes in pieces.
#include <fcntl.h>
#include <mqueue.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "byte_stream_floor.h"
#include "fd_passing.h"
#include "floor.h"

namespace bench {
namespace {

// fs.mqueue.msg_max and msgsize_max where nobody has changed them.
constexpr long kMessages = 10;
constexpr size_t kMessageBytes = 8192;

ssize_t Receive(int queue, void* bytes, size_t size) {
  return mq_receive(queue, static_cast<char*>(bytes), size, nullptr);
}

ssize_t Send(int queue, const void* bytes, size_t size) {
  const size_t piece = std::min(size, kMessageBytes);
  return mq_send(queue, static_cast<const char*>(bytes), piece, 0) == 0 ? static_cast<ssize_t>(piece) : -1;
}

StreamEnd EndOf(int in, int out) {
  return StreamEnd(in, out, {.read = &Receive, .write = &Send});
}

// Without a name once it is made: the client gets the descriptor.
absl::StatusOr<int> MakeQueue(Mode mode) {
  mq_attr attributes{};
  attributes.mq_maxmsg = kMessages;
  attributes.mq_msgsize = static_cast<long>(kMessageBytes);
  const std::string name = absl::StrCat("/sidecall-bench-", getpid());
  const int polling = mode == Mode::kHot ? O_NONBLOCK : 0;
  const int queue =
      mq_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | polling, mode_t{0600}, &attributes);
  if (queue < 0) return absl::ErrnoToStatus(errno, "make a message queue (ulimit -q may be reached)");
  mq_unlink(name.c_str());
  return queue;
}

}  // namespace

absl::StatusOr<std::unique_ptr<WorkerClient>> ConnectMqueue(const WorkerOptions& options) {
  const absl::StatusOr<int> socket = ConnectTo(options.address);
  if (!socket.ok()) return socket.status();
  std::array<int, 2> queues{};
  if (absl::Status status = ReceiveFds(*socket, queues); !status.ok()) return status;
  return MakeByteStreamClient(EndOf(queues[1], queues[0]), options);
}

absl::Status ServeMqueue(const WorkerOptions& options, const std::function<void()>& ready) {
  const absl::StatusOr<int> to_server = MakeQueue(options.mode);
  if (!to_server.ok()) return to_server.status();
  const absl::StatusOr<int> to_client = MakeQueue(options.mode);
  if (!to_client.ok()) return to_client.status();
  const absl::StatusOr<int> socket = AcceptOne(options.address, ready);
  if (!socket.ok()) return socket.status();
  const std::array<int, 2> queues = {*to_server, *to_client};
  if (absl::Status status = SendFds(*socket, queues); !status.ok()) return status;
  return ServeByteStream(EndOf(*to_server, *to_client), options);
}

}  // namespace bench
