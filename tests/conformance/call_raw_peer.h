// RawPeer: one side of a byte stream, a Unix socket or a pair of FIFOs, that writes whatever bytes a test
// wants.
#ifndef SIDECALL_TESTS_CONFORMANCE_CALL_RAW_PEER_H_
#define SIDECALL_TESTS_CONFORMANCE_CALL_RAW_PEER_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/frame_codec.h"
#include "transport/frame.h"
#include "transport/unique_fd.h"

namespace conformance {

// Until `fd` is ready for one of `events`, as poll has them. False after kPatience.
bool AwaitReady(int fd, short events);

class RawPeer {
 public:
  struct Frame {
    sidecall::FrameHeader header;
    std::string body;
  };

  // Connects to the socket `path`, or to that name in the abstract namespace.
  explicit RawPeer(const std::string& path, bool abstract = false);
  // Has both ends already.
  RawPeer(sidecall::UniqueFd in, sidecall::UniqueFd out) : in_(std::move(in)), out_(std::move(out)) {}

  bool connected() const { return in_.valid() && out_.valid(); }
  // Sends this side's hello and takes the server's. False where there is none.
  bool SayHello(const sidecall::Hello& hello = Greeting());
  // False where the peer hung up, or reads nothing for kPatience.
  bool SendBytes(std::string_view bytes) const;
  // The peer reads the end behind what was sent.
  void EndSending();
  // The header's length is set.
  void SendFrame(sidecall::FrameHeader header, std::string_view body) const;
  // The next frame; nothing where the peer has hung up, or is silent for kPatience.
  std::optional<Frame> ReceiveFrame();
  // Waits for the peer to hang up; what it sends before is skipped. False after kPatience.
  bool HangsUp();

  // A hello, a request to call `method` with `message` on `stream`, and any frame, as bytes.
  static sidecall::Hello Greeting();
  static std::string Bytes(sidecall::FrameHeader header, std::string_view body);
  static std::string Start(uint32_t stream, std::string_view method, std::string_view message);

 private:
  // As read(), waiting for bytes; fails with ETIMEDOUT where the peer is silent for kPatience.
  ssize_t Receive(char* bytes, size_t size);
  // False at the end.
  bool ReceiveBytes(char* bytes, size_t size);

  sidecall::UniqueFd in_;
  sidecall::UniqueFd out_;
};

}  // namespace conformance

#endif  // SIDECALL_TESTS_CONFORMANCE_CALL_RAW_PEER_H_
