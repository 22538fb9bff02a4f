// PipeStream: the bytes of two pipes, one each way.
#ifndef SIDECALL_TRANSPORT_PIPE_STREAM_H_
#define SIDECALL_TRANSPORT_PIPE_STREAM_H_

#include <atomic>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "transport/byte_stream_connection.h"
#include "transport/unique_fd.h"

namespace sidecall {

class PipeStream final : public ByteStream {
 public:
  // Takes the end to read from and the end to write to, and makes both non-blocking and their pipes large. A
  // FIFO is written to at less cost where it was opened for reading as well: then it has a reader as long as
  // it is open, and no write raises SIGPIPE. That the peer has gone is seen in the other pipe.
  static absl::StatusOr<std::unique_ptr<PipeStream>> Make(UniqueFd in, UniqueFd out);

  ssize_t Write(const iovec* pieces, size_t count) override;
  ssize_t Read(char* bytes, size_t size) override;
  void HangUp() override;
  void EndWriting() override;
  WaitDescriptors wait_descriptors(bool want_room) const override;

 private:
  PipeStream(UniqueFd in, UniqueFd out, UniqueFd bell);

  const UniqueFd in_;
  const UniqueFd out_;
  const UniqueFd bell_;  // an eventfd, rung by HangUp and EndWriting: nothing else would wake who sleeps here
  const bool never_breaks_;
  std::atomic<bool> hung_up_{false};
  std::atomic<bool> ends_when_empty_{false};
};

// writev() that raises no SIGPIPE: EPIPE is the answer.
ssize_t WriteWithoutSignal(int pipe, const iovec* pieces, size_t count);

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORT_PIPE_STREAM_H_
