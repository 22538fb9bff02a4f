// ChildStream: the two pipes to a child, which is let go when they are hung up.
#ifndef SIDECALL_TRANSPORTS_EXEC_CHILD_STREAM_H_
#define SIDECALL_TRANSPORTS_EXEC_CHILD_STREAM_H_

#include <atomic>
#include <cerrno>
#include <memory>
#include <utility>

#include "absl/time/time.h"
#include "transport/byte_stream_connection.h"
#include "transport/pipe_stream.h"
#include "transports/exec/child.h"

namespace sidecall {

class ChildStream final : public ByteStream {
 public:
  ChildStream(std::unique_ptr<PipeStream> pipes, std::shared_ptr<Child> child, absl::Duration grace)
      : pipes_(std::move(pipes)), child_(std::move(child)), grace_(grace) {}
  ~ChildStream() override { HangUp(); }

  ssize_t Write(const iovec* pieces, size_t count) override {
    const ssize_t written = pipes_->Write(pieces, count);
    if (written < 0 && errno == EPIPE) NoteEnd();
    return written;
  }
  ssize_t Read(char* bytes, size_t size) override {
    const ssize_t received = pipes_->Read(bytes, size);
    if (received == 0) NoteEnd();
    return received;
  }
  void HangUp() override;
  void EndWriting() override { pipes_->EndWriting(); }
  WaitDescriptors wait_descriptors(bool want_room) const override {
    return pipes_->wait_descriptors(want_room);
  }

 private:
  // The pipes are at their end: by the child, where this side has not hung up.
  void NoteEnd() {
    if (!hung_up_.load(std::memory_order_acquire)) child_->record()->SetEnding();
  }

  const std::unique_ptr<PipeStream> pipes_;
  const std::shared_ptr<Child> child_;
  const absl::Duration grace_;
  std::atomic<bool> hung_up_{false};
};

// The connection to a child that has greeted. Where it cannot be made, for want of descriptors, nobody has
// the child: it is given up.
absl::StatusOr<std::unique_ptr<Connection>> ConnectionTo(const std::shared_ptr<Child>& child, UniqueFd in,
                                                         UniqueFd out, absl::Duration grace);

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_EXEC_CHILD_STREAM_H_
