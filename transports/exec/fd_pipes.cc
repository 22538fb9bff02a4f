#include "transports/exec/fd_pipes.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <optional>
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

struct Ends {
  int in = -1;
  int out = -1;
  struct stat file {};  // of the pipe that is read from
};

bool IsEnd(int descriptor, int mode, struct stat& file) {
  const int flags = fcntl(descriptor, F_GETFL);
  return flags >= 0 && (flags & O_ACCMODE) == mode && fstat(descriptor, &file) == 0 && S_ISFIFO(file.st_mode);
}

absl::StatusOr<Ends> EndsAt(const Address& address) {
  const std::vector<std::string> words = absl::StrSplit(address.rest, ',');
  Ends ends;
  struct stat written_to {};
  if (words.size() != 2 || !absl::SimpleAtoi(words[0], &ends.in) || !absl::SimpleAtoi(words[1], &ends.out) ||
      !IsEnd(ends.in, O_RDONLY, ends.file) || !IsEnd(ends.out, O_WRONLY, written_to)) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", address.text,
                     "': this process has no such pipes. Write it as fd:IN,OUT, the numbers of a "
                     "pipe's end to read from and of another's to write to"));
  }
  return ends;
}

// The numbers are closed with their connection, and may be another file's later: a pipe is known by its
// inode.
bool TakeOnce(const Ends& ends) {
  static std::mutex mutex;
  static std::set<std::pair<dev_t, ino_t>>& taken = *new std::set<std::pair<dev_t, ino_t>>;
  const std::lock_guard lock(mutex);
  return taken.emplace(ends.file.st_dev, ends.file.st_ino).second;
}

absl::StatusOr<std::unique_ptr<Connection>> Adopt(const Ends& ends) {
  if (!TakeOnce(ends)) {
    return absl::UnavailableError("its one connection has ended, or is in use already: pipes connect once");
  }
  auto parent = GreetParentAt(ends.in, ends.out);
  UniqueFd in(ends.in);
  UniqueFd out(ends.out);
  if (!parent.ok()) return parent.status();
  for (const int end : {in.get(), out.get()}) fcntl(end, F_SETFD, FD_CLOEXEC);
  auto stream = PipeStream::Make(std::move(in), std::move(out));
  if (!stream.ok()) return stream.status();
  PeerIdentity identity;
  UniqueFd process;
  if (parent->has_value()) {
    identity = (*parent)->identity;
    process = std::move((*parent)->process);
  }
  // Of other pipes nobody knows who has the other end.
  return std::make_unique<ByteStreamConnection>(*std::move(stream), std::move(identity), std::move(process));
}

class FdListener final : public Listener {
 public:
  FdListener(std::unique_ptr<Connection> connection, UniqueFd ready)
      : connection_(std::move(connection)), ready_(std::move(ready)) {}

  absl::StatusOr<std::unique_ptr<Connection>> Accept() override {
    eventfd_t one = 0;
    (void)eventfd_read(ready_.get(), &one);
    return std::move(connection_);
  }
  int descriptor() const override { return ready_.get(); }

 private:
  std::unique_ptr<Connection> connection_;
  const UniqueFd ready_;  // an eventfd, until it has been taken
};

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> AdoptPipes(const Address& address) {
  auto ends = EndsAt(address);
  if (!ends.ok()) return ends.status();
  return Adopt(*ends);
}

absl::StatusOr<std::unique_ptr<Listener>> ListenAtPipes(const Address& address) {
  auto ends = EndsAt(address);
  if (!ends.ok()) return ends.status();
  UniqueFd ready(eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!ready.valid()) return ErrnoStatus(errno, "eventfd");
  auto connection = Adopt(*ends);
  if (!connection.ok()) return connection.status();
  return std::make_unique<FdListener>(*std::move(connection), std::move(ready));
}

}  // namespace sidecall
