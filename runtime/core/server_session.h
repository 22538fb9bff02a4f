// ServerSession: one connection of a server, from its hello to its end, and the calls that are open on it.
//
// Threads: whoever has the server's reader role polls; any thread may end a call. The session lives until its
// connection has ended and its last call has.
#ifndef SIDECALL_CORE_SERVER_SESSION_H_
#define SIDECALL_CORE_SERVER_SESSION_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "core/dispatcher.h"
#include "core/frame_reader.h"
#include "core/frame_writer.h"
#include "core/handshake.h"
#include "core/server_call.h"
#include "sidecall/server.h"
#include "transport/transport.h"

namespace sidecall {

class ServerSession final : private WholeFrameSink {
 public:
  // What a session needs of the loop that polls it.
  class Host {
   public:
    // Any thread: that session has output that waits for room, or ended a call while its ends were watched.
    virtual void NeedsAttention(uint64_t session_id) = 0;

   protected:
    ~Host() = default;
  };

  ServerSession(uint64_t id, std::unique_ptr<Connection> connection, const Dispatcher& dispatcher,
                const ServerOptions& options, Host& host);

  // -- The reader's -----------------------------------------------------------------------------------------
  // Reads what has arrived; calls that may run now are appended to `runnable`. Returns frames read.
  size_t Poll(std::vector<FrameServerCall*>& runnable) {
    runnable_ = &runnable;
    return frames_.Poll();
  }
  // Refuses new calls from now on, and tells the client so.
  void GoAway();
  // Tells every open call that nobody waits for it.
  void CancelCalls();
  void Flush();
  bool has_pending() const { return writer_.has_pending(); }
  Connection& connection() { return *connection_; }
  bool greeted() const { return greeted_; }
  bool closed() const { return closed_; }
  // Whether calls are still to be answered. From now on the host hears of each that is.
  bool HasOpenCalls();

  // -- Any thread's -----------------------------------------------------------------------------------------
  // Ends a call. `message` may be null.
  void SendEnd(FrameServerCall& call, const FrameHeader& header, std::string_view head,
               const internal::MessageSource* message);
  const PeerIdentity& peer() const { return connection_->peer(); }
  uint64_t id() const { return id_; }

 private:
  absl::Status OnWholeFrame(const FrameHeader& header, std::string_view body) override;
  absl::Status OnSplitBegins(const FrameHeader& header) override;
  void OnTooLarge(const FrameHeader& header, uint64_t size) override;
  void OnClosed(const absl::Status& why) override;

  absl::Status Start(const FrameHeader& header, std::string_view body);
  absl::Status FindMethod(const FrameHeader& header, std::string_view& body, const Dispatcher::Entry*& entry,
                          bool& announce);
  // Ends a stream for which no handler runs.
  void Refuse(uint32_t stream, absl::Status status);
  void SendControl(FrameType type, uint64_t argument);
  absl::Status CheckRequest(const FrameHeader& header, const Dispatcher::Entry& entry, size_t size) const;
  absl::Status TooLarge(uint64_t size) const;

  const uint64_t id_;
  const std::unique_ptr<Connection> connection_;
  const Dispatcher& dispatcher_;
  const ServerOptions& options_;
  Host& host_;

  WriteMutex write_mutex_;
  FrameWriter writer_;
  // Under write_mutex_:
  uint64_t finished_ = 0;  // calls
  bool ends_watched_ = false;

  // The reader's.
  FrameReader frames_;
  Agreement agreement_;
  bool greeted_ = false;
  bool closed_ = false;
  bool going_away_ = false;
  uint64_t started_ = 0;
  std::vector<FrameServerCall*>* runnable_ = nullptr;
  std::vector<std::unique_ptr<FrameServerCall>> calls_;  // by stream index
  std::vector<const Dispatcher::Entry*> methods_;        // by the client's method id
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_SERVER_SESSION_H_
