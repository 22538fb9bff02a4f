// RawPeer: a client that writes whatever bytes a test wants, over a Unix socket.
#ifndef SIDECALL_TESTS_CONFORMANCE_CALL_RAW_PEER_H_
#define SIDECALL_TESTS_CONFORMANCE_CALL_RAW_PEER_H_

#include <optional>
#include <string>
#include <string_view>

#include "core/frame_codec.h"
#include "transport/frame.h"

namespace conformance {

class RawPeer {
 public:
  struct Frame {
    sidecall::FrameHeader header;
    std::string body;
  };

  // Connects to the socket `path`, or to that name in the abstract namespace.
  explicit RawPeer(const std::string& path, bool abstract = false);
  ~RawPeer();
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

  bool connected() const { return connected_; }
  // Sends this side's hello and takes the server's. False where there is none.
  bool SayHello(const sidecall::Hello& hello = Greeting());
  // False where the server hung up.
  bool SendBytes(std::string_view bytes) const;
  // The server reads the end behind what was sent.
  void EndSending() const;
  // The header's length is set.
  void SendFrame(sidecall::FrameHeader header, std::string_view body) const;
  // The next frame; nothing where the server has hung up, or is silent for kPatience.
  std::optional<Frame> ReceiveFrame();
  // Waits for the server to hang up; what it sends before is skipped. False after kPatience.
  bool HangsUp();

  // A hello, a request to call `method` with `message` on `stream`, and any frame, as bytes.
  static sidecall::Hello Greeting();
  static std::string Bytes(sidecall::FrameHeader header, std::string_view body);
  static std::string Start(uint32_t stream, std::string_view method, std::string_view message);

 private:
  // False at the end.
  bool ReceiveBytes(char* bytes, size_t size);

  int fd_;
  bool connected_ = false;
};

}  // namespace conformance

#endif  // SIDECALL_TESTS_CONFORMANCE_CALL_RAW_PEER_H_
