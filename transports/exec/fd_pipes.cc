#include "transports/exec/fd_pipes.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "transport/byte_stream_connection.h"
#include "transport/errno_status.h"
#include "transport/pipe_stream.h"
#include "transports/exec/parent.h"

namespace sidecall {
namespace {

struct Numbers {
  int in = -1;
  int out = -1;
};

absl::Status NoSuchPipes(const Address& address) {
  return absl::InvalidArgumentError(
      absl::StrCat("'", address.text,
                   "': this process has no such pipes. Write it as fd:IN,OUT, the numbers of a "
                   "pipe's end to read from and of another's to write to"));
}

absl::StatusOr<Numbers> NumbersIn(const Address& address) {
  const std::vector<std::string> words = absl::StrSplit(address.rest, ',');
  Numbers numbers;
  if (words.size() != 2 || !absl::SimpleAtoi(words[0], &numbers.in) ||
      !absl::SimpleAtoi(words[1], &numbers.out)) {
    return NoSuchPipes(address);
  }
  return numbers;
}

bool IsEnd(int descriptor, int mode, struct stat& file) {
  const int flags = fcntl(descriptor, F_GETFL);
  return flags >= 0 && (flags & O_ACCMODE) == mode && fstat(descriptor, &file) == 0 && S_ISFIFO(file.st_mode);
}

// The numbers are closed with their connection, and may be another file's later: a pipe is known by its
// inode.
bool TakeOnce(const struct stat& pipe) {
  static std::mutex mutex;
  static std::set<std::pair<dev_t, ino_t>>& taken = *new std::set<std::pair<dev_t, ino_t>>;
  const std::lock_guard lock(mutex);
  return taken.emplace(pipe.st_dev, pipe.st_ino).second;
}

// Of pipes that have nothing to do with a parent. Nobody knows who has their other ends.
absl::StatusOr<ParentPeer> PeerAt(const Address& address, Numbers numbers) {
  struct stat read_from {};
  struct stat written_to {};
  if (!IsEnd(numbers.in, O_RDONLY, read_from) || !IsEnd(numbers.out, O_WRONLY, written_to)) {
    return NoSuchPipes(address);
  }
  if (!TakeOnce(read_from)) {
    return absl::UnavailableError("its one connection has ended, or is in use already: pipes connect once");
  }
  return ParentPeer{.in = UniqueFd(numbers.in), .out = UniqueFd(numbers.out), .identity = {}, .process = {}};
}

absl::StatusOr<std::unique_ptr<Connection>> Adopt(const Address& address, Numbers numbers) {
  // First: once they are taken, the numbers may be those of other files.
  auto parent = GreetParentAt(numbers.in, numbers.out);
  if (!parent.ok()) return parent.status();
  auto peer =
      parent->has_value() ? absl::StatusOr<ParentPeer>(*std::move(*parent)) : PeerAt(address, numbers);
  if (!peer.ok()) return peer.status();
  for (const int end : {numbers.in, numbers.out}) fcntl(end, F_SETFD, FD_CLOEXEC);
  auto stream = PipeStream::Make(std::move(peer->in), std::move(peer->out));
  if (!stream.ok()) return stream.status();
  return std::make_unique<ByteStreamConnection>(*std::move(stream), std::move(peer->identity),
                                                std::move(peer->process));
}

// Ready once the client says something, or hangs up: one that has nothing to say yet is not silent.
class FdListener final : public Listener {
 public:
  FdListener(std::unique_ptr<Connection> connection, UniqueFd events, UniqueFd in)
      : connection_(std::move(connection)), events_(std::move(events)), in_(std::move(in)) {}

  absl::StatusOr<std::unique_ptr<Connection>> Accept() override {
    // What comes now is the connection's.
    if (in_.valid()) epoll_ctl(events_.get(), EPOLL_CTL_DEL, in_.get(), nullptr);
    in_ = UniqueFd();
    return std::move(connection_);
  }
  int descriptor() const override { return events_.get(); }

 private:
  std::unique_ptr<Connection> connection_;
  const UniqueFd events_;  // an epoll, of in_
  UniqueFd in_;            // of the connection, once more
};

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> AdoptPipes(const Address& address) {
  auto numbers = NumbersIn(address);
  if (!numbers.ok()) return numbers.status();
  return Adopt(address, *numbers);
}

absl::StatusOr<std::unique_ptr<Listener>> ListenAtPipes(const Address& address) {
  auto numbers = NumbersIn(address);
  if (!numbers.ok()) return numbers.status();
  UniqueFd events(epoll_create1(EPOLL_CLOEXEC));
  if (!events.valid()) return ErrnoStatus(errno, "epoll_create1");
  auto connection = Adopt(address, *numbers);
  if (!connection.ok()) return connection.status();
  UniqueFd in(fcntl(numbers->in, F_DUPFD_CLOEXEC, 3));
  epoll_event event{};
  event.events = EPOLLIN;
  if (!in.valid() || epoll_ctl(events.get(), EPOLL_CTL_ADD, in.get(), &event) != 0) {
    return ErrnoStatus(errno, "listen at a pipe");
  }
  return std::make_unique<FdListener>(*std::move(connection), std::move(events), std::move(in));
}

}  // namespace sidecall
