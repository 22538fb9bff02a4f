// FrameWriter: the sending half of a connection: its write lock, messages serialized in place, the splitting
// of what is larger than a frame, and the queue of what found no room.
//
// Thread-safety: whoever holds the write lock; has_pending from any thread.
#ifndef SIDECALL_CORE_FRAME_WRITER_H_
#define SIDECALL_CORE_FRAME_WRITER_H_

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "core/sleeper.h"
#include "core/write_mutex.h"
#include "sidecall/internal/message.h"
#include "transport/transport.h"

namespace sidecall {

class FrameWriter {
 public:
  // The connection's write lock, whose mutex is the session's: what must happen in the order of the wire
  // happens under it. Every function below requires that it is held.
  using Lock = std::unique_lock<WriteMutex>;

  // `connection` must outlive the writer.
  explicit FrameWriter(Connection& connection) : connection_(connection), limits_(connection.limits()) {}

  // Sends one logical frame: `head` (sections before the message, encoded), then `message`, null for none.
  // `message_size` is what the message said itself. Sets the header's length. Splits what is larger than a
  // frame, and may release and retake the lock meanwhile. What finds no room is queued: sending never waits.
  // Nothing is handed over before Flush.
  void Send(Lock& lock, const FrameHeader& header, std::string_view head,
            const internal::MessageSource* message, size_t message_size);

  // Sends what was queued, as far as there is room, and hands it over.
  void Flush(const Lock& /*lock*/) {
    if (!nothing_pending()) [[unlikely]] {
      FlushAll();
    } else if (!connection_.Flush()) [[unlikely]] {
      pending_left_.store(true, std::memory_order_seq_cst);
    }
  }

  // In place of Flush after a small frame, where a Flush follows before long. Flushes all the same where
  // there is no room, and where as much has come together as is worth waiting for. What is put off is pending
  // as well: whoever is about to wait for the peer flushes first.
  void PutOffFlush(const Lock& lock, size_t message_size);
  bool has_put_off() const { return put_off_bytes_.load(std::memory_order_relaxed) > 0; }

  // True where something waits for room, or was put off: Flush again when the connection says so.
  bool has_pending() const { return pending_left_.load(std::memory_order_seq_cst); }
  // Wakes `sleeper` each time that nothing is pending any more, until it is removed.
  void AddRoomWaiter(const Lock& /*lock*/, Sleeper& sleeper) { room_waiters_.push_back(&sleeper); }
  void RemoveRoomWaiter(const Lock& /*lock*/, Sleeper& sleeper) { std::erase(room_waiters_, &sleeper); }

  // END frames that wait for room: streams that the peer cannot know to have ended.
  size_t pending_ends() const { return pending_ends_.load(std::memory_order_relaxed); }
  // Bytes of frames that wait for room.
  size_t pending_bytes() const { return pending_bytes_.load(std::memory_order_relaxed); }

 private:
  class FragmentStream;

  struct Pending {
    FrameHeader header;
    std::unique_ptr<char[]> body;
  };

  // A place for one frame: in the transport's memory or, where that has no room, in our own until it has.
  struct Place {
    Slot slot;
    std::unique_ptr<char[]> spilled;
    char* body() const { return spilled != nullptr ? spilled.get() : slot.body; }
  };
  // What waits for room of that lane, and is to be sent before anything more of it.
  std::deque<Pending>& PendingOf(Lane lane) { return lane == Lane::kUrgent ? pending_urgent_ : pending_; }
  // Whether a frame of that lane has to wait behind others.
  bool WaitsBehind(Lane lane) {
    return !nothing_pending() && lane != Lane::kControl && !PendingOf(lane).empty();
  }
  // What nearly every frame finds.
  bool nothing_pending() const { return !pending_left_.load(std::memory_order_relaxed); }
  void FlushAll();
  void FlushPending(Lane lane);
  Place Reserve(size_t size, Lane lane);
  static Place Spilled(size_t size);
  void Commit(Place place, const FrameHeader& header);
  void KeepControl(const FrameHeader& header);
  void SendLarge(Lock& lock, const FrameHeader& header, std::string_view head,
                 const internal::MessageSource* message, size_t size);
  void SendFragments(Lock& lock, const FrameHeader& header, std::string_view head,
                     const internal::MessageSource* message, size_t size);

  Connection& connection_;
  const ConnectionLimits limits_;
  std::deque<Pending> pending_;  // in order of commit
  std::deque<Pending> pending_urgent_;
  // Control frames without room: state, not a queue. One a type and stream, however many were sent.
  std::vector<FrameHeader> pending_control_;
  std::vector<Sleeper*> room_waiters_;
  std::atomic<size_t> put_off_bytes_{0};
  std::atomic<size_t> pending_ends_{0};
  std::atomic<size_t> pending_bytes_{0};
  std::atomic<bool> pending_left_{false};
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_FRAME_WRITER_H_
