// FrameEngine: the call engine of local transports: a client's connection to one server, made when first
// needed and again after it broke.
#ifndef SIDECALL_CORE_FRAME_ENGINE_H_
#define SIDECALL_CORE_FRAME_ENGINE_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/background_connect.h"
#include "core/client_session.h"
#include "core/fork_guard.h"
#include "sidecall/channel.h"
#include "sidecall/internal/call_engine.h"
#include "transport/transport.h"

namespace sidecall {

// A server's addresses, and who is to listen there.
struct ServerAddresses {
  struct Candidate {
    const Transport* transport;  // must outlive the engine
    Address address;
  };
  std::string name;                   // as messages call the server
  std::vector<Candidate> candidates;  // at least one; the first that connects is taken
  std::string order_of = {};          // who has put them into their order
  std::optional<uid_t> owner;         // none: anybody
  // A call that waits until somebody listens does so here. Else it is told that nobody does, and may go to
  // another server.
  bool waited_for = true;
};

class FrameEngine final : public internal::CallEngine {
 public:
  FrameEngine(ServerAddresses server, const ChannelOptions& options);
  ~FrameEngine() override;

  // One attempt at a unary call, which is not counted as a call of its own.
  absl::Status AttemptUnary(const internal::Method& method, ClientContext& context,
                            const internal::MessageSource& request, internal::MessageTarget& reply);
  // Connects for the call of `context`, unless it is connected. Errors as those of a call, not sent.
  absl::Status EnsureConnected(ClientContext& context);

  absl::Status RunUnary(const internal::Method& method, ClientContext& context,
                        const internal::MessageSource& request, internal::MessageTarget& reply) override;
  internal::PendingUnary& StartUnary(const internal::Method& method, ClientContext& context,
                                     const internal::MessageSource& request,
                                     google::protobuf::MessageLite& reply, bool may_wait) override;
  void SendWaiting() override;
  std::unique_ptr<internal::ClientStream> StartStream(const internal::Method& method, ClientContext& context,
                                                      const internal::MessageSource* request,
                                                      internal::MessageTarget* reply) override;
  ChannelState State() override;
  bool Connect(ClientContext& context) override;
  void ConnectInBackground() override { background_.Begin(); }
  bool AwaitStateChange(ChannelState last, int64_t deadline_nanos) override;
  std::vector<std::string> Connections() override;

 private:
  struct Started {
    ClientSession& session;
    ClientCall& call;
  };
  absl::Status Run(const internal::Method& method, ClientContext& context,
                   const internal::MessageSource& request, internal::MessageTarget& reply);
  // `begun`: it was, and its end is the server's word.
  absl::Status AttemptUnary(const internal::Method& method, ClientContext& context,
                            const internal::MessageSource& request, internal::MessageTarget& reply,
                            bool& begun);
  // Checks the call, connects if need be, and sends its START. Errors are marked as not sent.
  absl::StatusOr<Started> Start(const ClientSession::NewCall& start);
  // A usable session, connected if need be; the lock may be released meanwhile. Errors are those of
  // Transport::Connect, marked as not sent.
  absl::StatusOr<ClientSession*> UsableSession(FrameWriter::Lock& lock, ClientContext& context);
  // The same for a call that may wait until somebody listens: tries again where nobody does.
  absl::StatusOr<ClientSession*> AwaitSession(FrameWriter::Lock& lock, ClientContext& context);
  // Waits for the end of another's attempt to connect. An error is the call's own.
  absl::Status AwaitAttempt(FrameWriter::Lock& lock, ClientContext& context, int64_t deadline_nanos);
  // REQUIRES: nobody else is at it.
  absl::StatusOr<ClientSession*> MakeAttempt(FrameWriter::Lock& lock, ClientContext& context,
                                             int64_t deadline_nanos);
  absl::StatusOr<std::unique_ptr<ClientSession>> OpenSession(ClientContext& context, int64_t deadline_nanos,
                                                             std::string& choice);
  absl::StatusOr<std::unique_ptr<ClientSession>> OpenSession(const ServerAddresses::Candidate& candidate,
                                                             int64_t deadline_nanos, int cancel_descriptor);
  absl::Status CheckOwner(const PeerIdentity& peer) const;
  absl::Status CancelledWhileConnecting() const;
  void RetireSession(const FrameWriter::Lock& lock);
  // REQUIRES: the mutex is held.
  ChannelState CurrentState();

  const ServerAddresses server_;
  const ChannelOptions options_;
  const ForkGuard fork_guard_;

  WriteMutex mutex_;  // all below, and the write lock of every session
  std::unique_ptr<std::condition_variable_any> connected_ = std::make_unique<std::condition_variable_any>();
  bool connecting_ = false;
  uint64_t attempts_ = 0;  // that have ended
  bool spent_ = false;     // there will be no other connection to that address; whoever connects looks
  absl::Status last_error_;
  std::unique_ptr<ClientSession> session_;
  std::string choice_;                                   // of its address, and why
  std::vector<std::unique_ptr<ClientSession>> retired_;  // calls may still be leaving them

  BackgroundConnect background_{
      [this](ClientContext& context) { Connect(context); }};  // last: uses the above
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_FRAME_ENGINE_H_
