// MqueueConnection: frames in the messages of two queues, one each way.
//
// A message holds as many frames of one lane as fit. Those of the control lane have a higher priority than
// urgent data, and these than the rest: they overtake both here and in the kernel.
#ifndef SIDECALL_TRANSPORTS_MQUEUE_MQUEUE_CONNECTION_H_
#define SIDECALL_TRANSPORTS_MQUEUE_MQUEUE_CONNECTION_H_

#include <array>
#include <atomic>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "transport/output_room.h"
#include "transport/transport.h"
#include "transport/unique_fd.h"
#include "transports/mqueue/message_queue.h"
#include "transports/mqueue/notify_signal.h"

namespace sidecall {

// The descriptors of a connection that both sides have met on.
struct MqueueEnds {
  MessageQueue in;
  MessageQueue out;
  UniqueFd life_line;
  PeerIdentity peer;
  UniqueFd peer_process;  // its pidfd, or none
  // Wakes this side in place of the queue's descriptor, where it is to.
  std::unique_ptr<NotifySignal> signal{};
};

class MqueueConnection final : public Connection {
 public:
  static absl::StatusOr<std::unique_ptr<Connection>> Make(MqueueEnds ends);

  Slot Reserve(size_t size, Lane lane) override;
  void Commit(const Slot& slot, const FrameHeader& header) override;
  void Abandon(const Slot& slot) override;
  bool Flush() override;
  size_t Poll(FrameSink& sink) override;
  bool Arm() override;
  void Disarm(const ReadyDescriptors& told) override;
  WaitDescriptors wait_descriptors() const override;
  const PeerIdentity& peer() const override { return ends_.peer; }
  ConnectionLimits limits() const override;
  void Close() override;

 private:
  struct Message {
    std::unique_ptr<char[]> bytes;
    size_t used = 0;
  };

  MqueueConnection(MqueueEnds ends, UniqueFd bell, UniqueFd end);
  Message TakeMessage();
  bool SendAll(Lane lane);
  size_t FeedFrames(FrameSink& sink, bool& stop);
  bool Receive();
  void EndWhereGone(FrameSink& sink);
  void ReportClosed(FrameSink& sink, const absl::Status& why);

  const MqueueEnds ends_;
  const UniqueFd bell_;  // an eventfd, rung by Close
  const UniqueFd end_;   // an epoll of what tells of the peer's end: the life line and its process
  std::atomic<bool> closed_{false};

  // The sender's.
  std::array<std::deque<Message>, kLanes> output_;  // by lane
  std::deque<Message> spare_;
  OutputRoom room_;
  std::atomic<int> send_error_{0};

  // The receiver's.
  std::vector<Message> input_;  // of one Poll: bodies that were fed are read until the next
  size_t received_ = 0;         // of them, those that hold a message
  size_t next_ = 0;             // the first that is not fed yet
  size_t begin_ = 0;            // its first byte that is not
  bool maybe_readable_ = true;
  bool peer_gone_ = false;
  bool reported_closed_ = false;
};

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_MQUEUE_MQUEUE_CONNECTION_H_
