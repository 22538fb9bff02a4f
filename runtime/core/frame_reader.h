// FrameReader: the receiving half of a connection: copies shared bodies out, once, and puts split frames
// together again, so that what it passes on is whole frames in private memory.
//
// Thread-safety: the thread with the connection's reader role.
#ifndef SIDECALL_CORE_FRAME_READER_H_
#define SIDECALL_CORE_FRAME_READER_H_

#include <cstdint>
#include <memory>
#include <new>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "transport/transport.h"

namespace sidecall {

// Whole frames. Calls never overlap.
class WholeFrameSink {
 public:
  // `body` is private memory, valid until the reader's next Poll, as are the kReadableBehind bytes behind it.
  // An error closes the connection.
  virtual absl::Status OnWholeFrame(const FrameHeader& header, std::string_view body) = 0;
  // A split frame of `size` bytes begins, and no memory has been set aside for it. False: nobody wants it,
  // and it is skipped. An error closes the connection.
  virtual absl::StatusOr<bool> OnSplitBegins(const FrameHeader& /*header*/, uint64_t /*size*/) {
    return true;
  }
  // A frame was larger than the limit, or than the memory there is, and is skipped. `header` is that of its
  // first piece.
  virtual void OnTooLarge(const FrameHeader& header, uint64_t size) = 0;
  virtual void OnClosed(const absl::Status& why) = 0;

 protected:
  ~WholeFrameSink() = default;
};

class FrameReader final : private FrameSink {
 public:
  // Both must outlive the reader. A whole frame of more than `max_whole` bytes is skipped. More than
  // `max_split` split frames under way are a violation.
  FrameReader(Connection& connection, WholeFrameSink& sink, uint64_t max_whole, size_t max_split);

  // As Connection::Poll: frames that arrived, each passed on when whole. Never waits.
  size_t Poll() {
    if (closed_) return 0;
    copies_used_ = 0;
    if (!finished_.empty()) RecycleFinished();
    try {
      return connection_.Poll(*this);
    } catch (const std::bad_alloc&) {
      return EndForMemory();
    }
  }
  // Bytes set aside for split frames that are not whole yet.
  uint64_t assembling_bytes() const { return assembling_bytes_; }

 private:
  // A buffer that is used again, placed so that a large string parsed out of it does not alias it.
  class Buffer {
   public:
    // Room for `size` bytes, null where there is no memory; what was in it is lost.
    char* Get(size_t size);
    size_t capacity() const { return capacity_; }

   private:
    std::unique_ptr<char[]> memory_;
    char* bytes_ = nullptr;
    size_t capacity_ = 0;
  };

  // A split frame on its way.
  struct Assembly {
    FrameHeader header;  // the first piece's
    Buffer buffer;
    char* bytes = nullptr;  // null where the frame is too large, and skipped
    uint64_t size = 0;
    uint64_t received = 0;
    uint32_t empty_pieces = 0;
  };

  bool OnFrame(const FrameHeader& header, const FrameBody& body) override;
  size_t EndForMemory();
  void OnClosed(const absl::Status& why) override;
  absl::Status TakeFrame(const FrameHeader& header, const FrameBody& body);
  absl::Status BeginAssembly(const FrameHeader& header, const FrameBody& body);
  absl::Status Continue(const FrameHeader& header, const FrameBody& body);
  absl::Status AddPiece(Assembly& assembly, const char* bytes, size_t size, bool shared);
  absl::Status Complete(uint32_t stream);
  std::string_view CopyOut(const FrameBody& body);
  Buffer TakeBuffer();
  void RecycleFinished();

  Connection& connection_;
  WholeFrameSink& sink_;
  const uint64_t max_whole_;
  const size_t max_split_;
  std::unordered_map<uint32_t, Assembly> assemblies_;  // by stream
  uint64_t assembling_bytes_ = 0;
  std::vector<Buffer> finished_;  // passed on, and read until the next Poll
  std::vector<Buffer> spare_;
  std::unique_ptr<char[]> copies_;  // small bodies out of shared memory, of one Poll
  size_t copies_used_ = 0;
  bool closed_ = false;
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_FRAME_READER_H_
