#include "transport/pipe_stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "transport/byte_stream_connection.h"

namespace sidecall {
namespace {

struct Pipe {
  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return;
    in = UniqueFd(ends[0]);
    out = UniqueFd(ends[1]);
  }
  UniqueFd in;
  UniqueFd out;
};

// From now on pwritev2 fails in this process, as it does with that flag where the kernel is older.
bool ForbidWritesWithoutSignal() {
  const std::array<sock_filter, 4> steps = {{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pwritev2, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EOPNOTSUPP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog program{.len = steps.size(), .filter = const_cast<sock_filter*>(steps.data())};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// Whether a broken pipe is an answer, and no signal is left: with SIGPIPE as it is by default.
bool BrokenPipeIsAnAnswer() {
  signal(SIGPIPE, SIG_DFL);
  Pipe pipe;
  pipe.in = UniqueFd();
  char byte = 'x';
  const iovec piece{.iov_base = &byte, .iov_len = 1};
  if (WriteWithoutSignal(pipe.out.get(), &piece, 1) != -1 || errno != EPIPE) return false;
  sigset_t pending;
  sigpending(&pending);
  sigset_t blocked;
  pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
  return sigismember(&pending, SIGPIPE) == 0 && sigismember(&blocked, SIGPIPE) == 0;
}

// A process of its own: the signal would end it.
bool HoldsInAChild(bool (*prepare)()) {
  const pid_t child = fork();
  if (child == 0) _exit((prepare == nullptr || prepare()) && BrokenPipeIsAnAnswer() ? 0 : 1);
  int ended = 0;
  return waitpid(child, &ended, 0) == child && WIFEXITED(ended) && WEXITSTATUS(ended) == 0;
}

TEST(PipeStream, BrokenPipeRaisesNoSignal) {
  EXPECT_TRUE(HoldsInAChild(nullptr));
}

TEST(PipeStream, NorOnAnOlderKernel) {
  EXPECT_TRUE(HoldsInAChild(ForbidWritesWithoutSignal));
}

// One that was pending before stays so: it is none of ours.
TEST(PipeStream, AnothersSignalStaysPending) {
  EXPECT_TRUE(HoldsInAChild([] {
    if (!ForbidWritesWithoutSignal()) return false;
    sigset_t broken_pipe;
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
    raise(SIGPIPE);
    Pipe pipe;
    pipe.in = UniqueFd();
    char byte = 'x';
    const iovec piece{.iov_base = &byte, .iov_len = 1};
    if (WriteWithoutSignal(pipe.out.get(), &piece, 1) != -1 || errno != EPIPE) return false;
    const timespec now{};
    const bool still_pending = sigtimedwait(&broken_pipe, nullptr, &now) == SIGPIPE;
    pthread_sigmask(SIG_UNBLOCK, &broken_pipe, nullptr);
    return still_pending;
  }));
}

TEST(PipeStream, TheLastWritersEndIsTheEnd) {
  Pipe there;
  Pipe back;
  auto stream = PipeStream::Make(std::move(there.in), std::move(back.out));
  ASSERT_TRUE(stream.ok()) << stream.status();
  char byte = 0;
  EXPECT_EQ((*stream)->Read(&byte, 1), -1);
  EXPECT_EQ(errno, EAGAIN);
  ASSERT_EQ(write(there.out.get(), "y", 1), 1);
  there.out = UniqueFd();
  EXPECT_EQ((*stream)->Read(&byte, 1), 1);
  EXPECT_EQ(byte, 'y');
  EXPECT_EQ((*stream)->Read(&byte, 1), 0);
}

TEST(PipeStream, HangingUpEndsBothWays) {
  Pipe there;
  Pipe back;
  auto stream = PipeStream::Make(std::move(there.in), std::move(back.out));
  ASSERT_TRUE(stream.ok()) << stream.status();
  (*stream)->HangUp();
  (*stream)->HangUp();
  char byte = 0;
  EXPECT_EQ((*stream)->Read(&byte, 1), 0);
  const iovec piece{.iov_base = &byte, .iov_len = 1};
  EXPECT_EQ((*stream)->Write(&piece, 1), -1);
  EXPECT_EQ(errno, EPIPE);
  const WaitDescriptors wait = (*stream)->wait_descriptors(false);
  pollfd bell = wait.items[wait.count - 1];
  EXPECT_EQ(poll(&bell, 1, 0), 1) << "who sleeps on it is woken";
  // The peer, too, finds the end.
  EXPECT_EQ(read(back.in.get(), &byte, 1), 0);
  EXPECT_TRUE(HoldsInAChild(nullptr));
}

class Frames final : public FrameSink {
 public:
  bool OnFrame(const FrameHeader& header, const FrameBody& /*body*/) override {
    streams.push_back(header.stream);
    return true;
  }
  void OnClosed(const absl::Status& why) override { end = why; }

  std::vector<uint32_t> streams;
  std::optional<absl::Status> end;
};

void Send(Connection& connection, uint32_t stream) {
  const Slot slot = connection.Reserve(0, Lane::kData);
  FrameHeader header{};
  header.stream = stream;
  connection.Commit(slot, header);
  connection.Flush();
}

std::unique_ptr<Connection> ConnectionOver(UniqueFd in, UniqueFd out) {
  auto stream = PipeStream::Make(std::move(in), std::move(out));
  if (!stream.ok()) return nullptr;
  return std::make_unique<ByteStreamConnection>(*std::move(stream), PeerIdentity(), UniqueFd());
}

// It has sent its last, and left: what this side sends finds nobody, and loses nothing of that. `held`: a
// process that the peer has forked has its end for writing still, so that the pipe does not end.
void WhatThePeerSentIsRead(bool held) {
  Pipe here;
  Pipe there;
  UniqueFd held_end;
  if (held) held_end = UniqueFd(fcntl(here.out.get(), F_DUPFD_CLOEXEC, 3));
  const auto connection = ConnectionOver(std::move(here.in), std::move(there.out));
  auto peer = ConnectionOver(std::move(there.in), std::move(here.out));
  ASSERT_TRUE(connection != nullptr && peer != nullptr);
  for (uint32_t stream = 1; stream <= 3; stream++) Send(*peer, stream);
  peer.reset();
  Send(*connection, 9);
  Frames frames;
  for (int polls = 0; polls < 10 && !frames.end.has_value(); polls++) connection->Poll(frames);
  EXPECT_EQ(frames.streams, std::vector<uint32_t>({1, 2, 3}));
  ASSERT_TRUE(frames.end.has_value());
  EXPECT_TRUE(absl::IsUnavailable(*frames.end)) << *frames.end;
}

TEST(PipeStream, AWriteThatFailsLosesNothingThatThePeerSent) {
  WhatThePeerSentIsRead(false);
}

TEST(PipeStream, NorWhereAnotherHasThePeersEnd) {
  WhatThePeerSentIsRead(true);
}

}  // namespace
}  // namespace sidecall
