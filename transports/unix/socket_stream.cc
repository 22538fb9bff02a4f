#include "transports/unix/socket_stream.h"

#include <sys/socket.h>

#include <utility>

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76  // Linux 6.5
#endif

namespace sidecall {
namespace {

constexpr int kSocketBuffer = 4 << 20;

}  // namespace

SocketStream::SocketStream(UniqueFd socket) : socket_(std::move(socket)) {
  // A listening socket of systemd's may have them on. They end a read where the bytes' writer changes, and a
  // read that stops short is one that found no more.
  constexpr int kOff = 0;
  for (const int option : {SO_PASSCRED, SO_PASSPIDFD}) {
    setsockopt(socket_.get(), SOL_SOCKET, option, &kOff, sizeof kOff);
  }
  // The kernel caps them at net.core.[rw]mem_max; every bit is fewer wake-ups for large messages.
  setsockopt(socket_.get(), SOL_SOCKET, SO_SNDBUF, &kSocketBuffer, sizeof kSocketBuffer);
  setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &kSocketBuffer, sizeof kSocketBuffer);
}

ssize_t SocketStream::Write(const iovec* pieces, size_t count) {
  if (count == 1) return send(socket_.get(), pieces->iov_base, pieces->iov_len, MSG_NOSIGNAL);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces);  // sendmsg only reads them
  message.msg_iovlen = count;
  return sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
}

ssize_t SocketStream::Read(char* bytes, size_t size) {
  return recv(socket_.get(), bytes, size, 0);
}

void SocketStream::HangUp() {
  shutdown(socket_.get(), SHUT_RDWR);
}

WaitDescriptors SocketStream::wait_descriptors(bool want_room) const {
  WaitDescriptors wait;
  const short room = want_room ? POLLOUT : 0;
  wait.items[0] = {.fd = socket_.get(), .events = static_cast<short>(POLLIN | room), .revents = 0};
  wait.count = 1;
  wait.tells_of_reads = true;
  return wait;
}

}  // namespace sidecall
