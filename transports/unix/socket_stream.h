// SocketStream: the bytes of a connected Unix stream socket.
#ifndef SIDECALL_TRANSPORTS_UNIX_SOCKET_STREAM_H_
#define SIDECALL_TRANSPORTS_UNIX_SOCKET_STREAM_H_

#include "transport/byte_stream_connection.h"
#include "transport/unique_fd.h"

namespace sidecall {

class SocketStream final : public ByteStream {
 public:
  // Takes a connected, non-blocking socket.
  explicit SocketStream(UniqueFd socket);

  ssize_t Write(const iovec* pieces, size_t count) override;
  ssize_t Read(char* bytes, size_t size) override;
  void HangUp() override;
  void EndWriting() override { HangUp(); }  // a socket keeps what has come
  WaitDescriptors wait_descriptors(bool want_room) const override;

 private:
  UniqueFd socket_;
};

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_UNIX_SOCKET_STREAM_H_
