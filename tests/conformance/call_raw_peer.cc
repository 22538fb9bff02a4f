#include "call_raw_peer.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstring>

#include "call_patience.h"
#include "transport/clock.h"
#include "transport/pipe_stream.h"

namespace conformance {

using sidecall::FrameFlags;
using sidecall::FrameHeader;
using sidecall::FrameType;

namespace {

ssize_t Write(int fd, std::string_view bytes) {
  const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent >= 0 || errno != ENOTSOCK) return sent;
  const iovec piece{.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
  return sidecall::WriteWithoutSignal(fd, &piece, 1);
}

}  // namespace

bool AwaitReady(int fd, short events) {
  constexpr int kPatienceMs = std::chrono::milliseconds(kPatience).count();
  pollfd item{.fd = fd, .events = events, .revents = 0};
  int ready = 0;
  do {
    ready = poll(&item, 1, kPatienceMs);
  } while (ready < 0 && errno == EINTR);
  return ready == 1;
}

RawPeer::RawPeer(const std::string& path, bool abstract)
    : in_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un where{};
  where.sun_family = AF_UNIX;
  auto length = static_cast<socklen_t>(sizeof where);
  if (abstract) {
    path.copy(where.sun_path + 1, sizeof where.sun_path - 1);
    length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + path.size());
  } else {
    path.copy(where.sun_path, sizeof where.sun_path - 1);
  }
  if (connect(in_.get(), reinterpret_cast<const sockaddr*>(&where), length) != 0) return;
  out_ = sidecall::UniqueFd(fcntl(in_.get(), F_DUPFD_CLOEXEC, 3));
}

sidecall::Hello RawPeer::Greeting() {
  sidecall::Hello hello;
  hello.clock_now = sidecall::MonotonicNanos();
  hello.max_message = 4u << 20;
  hello.max_method_ids = 16;
  hello.max_metadata = 64u << 10;
  return hello;
}

std::string RawPeer::Bytes(FrameHeader header, std::string_view body) {
  header.length = static_cast<uint32_t>(body.size());
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
  bytes += body;
  return bytes;
}

std::string RawPeer::Start(uint32_t stream, std::string_view method, std::string_view message) {
  FrameHeader header;
  header.type = FrameType::kStart;
  header.flags = FrameFlags::kMethodName | FrameFlags::kMessage | FrameFlags::kHalfClose;
  header.stream = stream;
  header.code = 1;
  std::string body;
  sidecall::AppendMethodName(body, method);
  body += message;
  return Bytes(header, body);
}

bool RawPeer::SayHello(const sidecall::Hello& hello) {
  FrameHeader header;
  header.type = FrameType::kHello;
  header.lane = sidecall::Lane::kControl;
  SendFrame(header, sidecall::EncodeHello(hello));
  const auto answer = ReceiveFrame();
  return answer.has_value() && answer->header.type == FrameType::kHello;
}

bool RawPeer::SendBytes(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t sent = Write(out_.get(), bytes);
    const bool full = sent < 0 && (errno == EAGAIN || errno == EINTR);
    if (sent < 0 && (!full || !AwaitReady(out_.get(), POLLOUT))) return false;
    if (sent > 0) bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

void RawPeer::EndSending() {
  shutdown(out_.get(), SHUT_WR);
  out_ = sidecall::UniqueFd();
}

void RawPeer::SendFrame(FrameHeader header, std::string_view body) const {
  SendBytes(Bytes(header, body));
}

ssize_t RawPeer::Receive(char* bytes, size_t size) {
  ssize_t received = -1;
  do {
    if (!AwaitReady(in_.get(), POLLIN)) {
      errno = ETIMEDOUT;
      return -1;
    }
    received = read(in_.get(), bytes, size);
  } while (received < 0 && (errno == EAGAIN || errno == EINTR));
  return received;
}

bool RawPeer::ReceiveBytes(char* bytes, size_t size) {
  while (size > 0) {
    const ssize_t received = Receive(bytes, size);
    if (received <= 0) return false;
    bytes += received;
    size -= static_cast<size_t>(received);
  }
  return true;
}

std::optional<RawPeer::Frame> RawPeer::ReceiveFrame() {
  Frame frame;
  if (!ReceiveBytes(reinterpret_cast<char*>(&frame.header), sizeof frame.header)) return std::nullopt;
  frame.body.resize(frame.header.length);
  if (!ReceiveBytes(frame.body.data(), frame.body.size())) return std::nullopt;
  return frame;
}

bool RawPeer::HangsUp() {
  char bytes[512];
  ssize_t received = 0;
  while ((received = Receive(bytes, sizeof bytes)) > 0) continue;
  return received == 0 || errno == ECONNRESET;
}

}  // namespace conformance
