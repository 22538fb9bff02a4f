#include "transports/exec/parent.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "sidecall/child_address.h"
#include "transport/errno_status.h"
#include "transport/pipe_stream.h"
#include "transports/exec/parent_variable.h"

namespace sidecall {
namespace {

// What the environment said, which is looked at once.
struct Parent {
  std::mutex mutex;
  bool known = false;
  int in = -1;
  int out = -1;
  std::string cookie;
  bool taken = false;  // `in` and `out` are a connection's, or were: the numbers may be another file's
  // By which the parent's end is seen: another descriptor of `in`, and its pidfd, since what it has forked
  // may keep the pipe.
  UniqueFd life;
  UniqueFd process;
  pid_t pid = -1;
};

Parent& TheParent() {
  static Parent& parent = *new Parent;  // Others may wait for it until the very end.
  return parent;
}

absl::Status StartedByHand() {
  return absl::FailedPreconditionError(
      "this program is a plug-in: another one starts it, and talks with it over pipes "
      "(sidecall::SpawnChild). Started by itself it has nobody to talk with. Start the program that uses it");
}

bool IsPipe(int descriptor) {
  struct stat found {};
  return fstat(descriptor, &found) == 0 && S_ISFIFO(found.st_mode);
}

// "1 3 4 9f86d081884c7d65".
absl::Status Take(std::string_view text, Parent& parent) {
  const std::vector<std::string> words = absl::StrSplit(std::string(text), ' ');
  int version = 0;
  if (words.empty() || !absl::SimpleAtoi(words[0], &version)) return StartedByHand();
  if (version != kChildVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("the program that started this one speaks version ", version,
                     " with its plug-ins, and this is one of version ", kChildVersion, ". Build both anew"));
  }
  int in = -1;
  int out = -1;
  if (words.size() != 4 || !absl::SimpleAtoi(words[1], &in) || !absl::SimpleAtoi(words[2], &out) ||
      !IsPipe(in) || !IsPipe(out)) {
    return StartedByHand();  // The variable was inherited from somebody else's parent.
  }
  // Its own children are to have nothing of this.
  fcntl(in, F_SETFD, FD_CLOEXEC);
  fcntl(out, F_SETFD, FD_CLOEXEC);
  parent.life = UniqueFd(fcntl(in, F_DUPFD_CLOEXEC, 3));
  parent.pid = getppid();
  parent.process = UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, parent.pid, 0)));
  if (!parent.life.valid() || !parent.process.valid())
    return ErrnoStatus(errno, "a descriptor of the parent");
  parent.in = in;
  parent.out = out;
  parent.cookie = words[3];
  parent.known = true;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> ParentAddress() {
  Parent& parent = TheParent();
  const std::lock_guard lock(parent.mutex);
  if (!parent.known) {
    const char* text = std::getenv(kParentVariable);
    if (text == nullptr) return StartedByHand();
    const absl::Status taken = Take(text, parent);
    unsetenv(kParentVariable);
    if (!taken.ok()) return taken;
  }
  return absl::StrCat("fd:", parent.in, ",", parent.out);
}

void WaitForParent() {
  Parent& parent = TheParent();
  std::array<pollfd, 2> items{};
  {
    const std::lock_guard lock(parent.mutex);
    if (!parent.known) return;
    items[0] = {.fd = parent.life.get(), .events = 0, .revents = 0};
    items[1] = {.fd = parent.process.get(), .events = POLLIN, .revents = 0};
  }
  while (poll(items.data(), items.size(), -1) < 0 && errno == EINTR) {
  }
}

absl::StatusOr<std::optional<ParentPeer>> GreetParentAt(int in, int out) {
  Parent& parent = TheParent();
  const std::lock_guard lock(parent.mutex);
  if (!parent.known || parent.in != in || parent.out != out) return std::nullopt;
  if (std::exchange(parent.taken, true)) {
    return absl::UnavailableError(
        "the one connection to the parent has ended, or another has it: pipes connect once");
  }
  ParentPeer peer{.in = UniqueFd(in), .out = UniqueFd(out), .identity = {}, .process = {}};
  const absl::Status gone = absl::UnavailableError("the parent has gone. It starts this program anew");
  peer.process = UniqueFd(fcntl(parent.process.get(), F_DUPFD_CLOEXEC, 3));
  if (!peer.process.valid()) return ErrnoStatus(errno, "a descriptor of the parent");
  // Where it had died before, this process has another parent by now.
  struct stat pipe {};
  if (getppid() != parent.pid || fstat(in, &pipe) != 0) return gone;
  std::string greeting = GreetingOf(parent.cookie);
  const iovec piece{.iov_base = greeting.data(), .iov_len = greeting.size()};
  if (WriteWithoutSignal(out, &piece, 1) != static_cast<ssize_t>(greeting.size())) return gone;
  peer.identity.uid = pipe.st_uid;
  peer.identity.gid = pipe.st_gid;
  peer.identity.pid = parent.pid;
  return peer;
}

}  // namespace sidecall
