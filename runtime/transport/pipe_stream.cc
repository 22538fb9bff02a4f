#include "transport/pipe_stream.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "transport/errno_status.h"

#ifndef RWF_NOSIGNAL
#define RWF_NOSIGNAL 0x00000100  // Linux 6.18
#endif

namespace sidecall {
namespace {

// The most that an unprivileged process gets where nobody has changed fs.pipe-max-size.
constexpr int kPipeBytes = 1 << 20;

// Each read of a FIFO is noted in its file, for a tenth of a small call's time; who owns the file may go
// without.
bool SetFlags(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  return flags >= 0 && (fcntl(fd, F_SETFL, flags | O_NONBLOCK | O_NOATIME) == 0 ||
                        fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0);
}

bool IsReadHere(int end) {
  return (fcntl(end, F_GETFL) & O_ACCMODE) == O_RDWR;
}

// For kernels that cannot be asked for silence. The signal of a write is its thread's own: it is taken back
// where it was not pending before.
ssize_t WriteWithSignalBlocked(int pipe, const iovec* pieces, size_t count) {
  sigset_t broken_pipe;
  sigset_t before;
  sigset_t pending;
  sigemptyset(&broken_pipe);
  sigaddset(&broken_pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &broken_pipe, &before);
  sigpending(&pending);
  const ssize_t written = writev(pipe, pieces, static_cast<int>(count));
  const int error = errno;
  if (written < 0 && error == EPIPE && sigismember(&pending, SIGPIPE) == 0) {
    const timespec now{};
    sigtimedwait(&broken_pipe, nullptr, &now);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return written;
}

}  // namespace

ssize_t WriteWithoutSignal(int pipe, const iovec* pieces, size_t count) {
  static std::atomic<bool> kernel_can{true};
  if (kernel_can.load(std::memory_order_relaxed)) {
    const ssize_t written = pwritev2(pipe, pieces, static_cast<int>(count), -1, RWF_NOSIGNAL);
    if (written >= 0 || (errno != EOPNOTSUPP && errno != EINVAL && errno != ENOSYS)) return written;
    kernel_can.store(false, std::memory_order_relaxed);
  }
  return WriteWithSignalBlocked(pipe, pieces, count);
}

absl::StatusOr<std::unique_ptr<PipeStream>> PipeStream::Make(UniqueFd in, UniqueFd out) {
  UniqueFd bell(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!bell.valid()) return ErrnoStatus(errno, "eventfd");
  for (const int end : {in.get(), out.get()}) {
    if (!SetFlags(end)) return ErrnoStatus(errno, "make a pipe non-blocking");
    // Refused where the user has too much in pipes already: then it is slower, and as correct.
    (void)fcntl(end, F_SETPIPE_SZ, kPipeBytes);
  }
  return std::unique_ptr<PipeStream>(new PipeStream(std::move(in), std::move(out), std::move(bell)));
}

PipeStream::PipeStream(UniqueFd in, UniqueFd out, UniqueFd bell)
    : in_(std::move(in)),
      out_(std::move(out)),
      bell_(std::move(bell)),
      never_breaks_(IsReadHere(out_.get())) {}

ssize_t PipeStream::Write(const iovec* pieces, size_t count) {
  if (hung_up_.load(std::memory_order_acquire)) {
    errno = EPIPE;
    return -1;
  }
  if (!never_breaks_) return WriteWithoutSignal(out_.get(), pieces, count);
  if (count == 1) return write(out_.get(), pieces->iov_base, pieces->iov_len);  // less dear
  return writev(out_.get(), pieces, static_cast<int>(count));
}

ssize_t PipeStream::Read(char* bytes, size_t size) {
  // Looked at before: what was sent before the write failed is there by then.
  const bool ends_when_empty = ends_when_empty_.load(std::memory_order_acquire);
  const ssize_t received = hung_up_.load(std::memory_order_acquire) ? 0 : read(in_.get(), bytes, size);
  // What it read may have been the bell, which stands in the pipe's place by now.
  if (hung_up_.load(std::memory_order_acquire)) return 0;
  return received < 0 && errno == EAGAIN && ends_when_empty ? 0 : received;
}

void PipeStream::HangUp() {
  if (hung_up_.exchange(true, std::memory_order_acq_rel)) return;
  // The peer reads the end once the pipe's ends are closed; but another thread may be about to use their
  // numbers, which must not become another file's: the bell takes them, in one step. (By the system call
  // itself: a sanitizer takes dup3() for a close that races with the other thread.)
  syscall(SYS_dup3, bell_.get(), in_.get(), O_CLOEXEC);
  syscall(SYS_dup3, bell_.get(), out_.get(), O_CLOEXEC);
  eventfd_write(bell_.get(), 1);
}

void PipeStream::EndWriting() {
  ends_when_empty_.store(true, std::memory_order_release);
  eventfd_write(bell_.get(), 1);
}

WaitDescriptors PipeStream::wait_descriptors(bool want_room) const {
  WaitDescriptors wait;
  const short room = want_room ? POLLOUT : 0;
  wait.items[0] = {.fd = in_.get(), .events = POLLIN, .revents = 0};
  wait.items[1] = {.fd = out_.get(), .events = room, .revents = 0};
  wait.items[2] = {.fd = bell_.get(), .events = POLLIN, .revents = 0};
  wait.count = 3;
  return wait;
}

}  // namespace sidecall
