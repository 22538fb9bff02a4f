// FrameEngine: the call engine of local transports: a client's connection to one address, made when first
// needed and again after it broke.
#ifndef SIDECALL_CORE_FRAME_ENGINE_H_
#define SIDECALL_CORE_FRAME_ENGINE_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "core/background_connect.h"
#include "core/client_session.h"
#include "core/fork_guard.h"
#include "sidecall/channel.h"
#include "sidecall/internal/call_engine.h"
#include "transport/transport.h"

namespace sidecall {

class FrameEngine final : public internal::CallEngine {
 public:
  // `transport` must outlive the engine.
  FrameEngine(const Transport& transport, Address address, const ChannelOptions& options);
  ~FrameEngine() override;

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
  bool Connect(int64_t deadline_nanos) override;
  void ConnectInBackground() override { background_.Begin(); }
  bool AwaitStateChange(ChannelState last, int64_t deadline_nanos) override;

 private:
  struct Started {
    ClientSession& session;
    ClientCall& call;
  };
  absl::Status Run(const internal::Method& method, ClientContext& context,
                   const internal::MessageSource& request, internal::MessageTarget& reply);
  // Checks the call, connects if need be, and sends its START. Errors are marked as not sent.
  absl::StatusOr<Started> Start(const ClientSession::NewCall& start);
  // Connects for no call: `context` says until when. False where that failed.
  bool Connect(ClientContext& context);
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
  absl::StatusOr<std::unique_ptr<ClientSession>> OpenSession(ClientContext& context, int64_t deadline_nanos);
  absl::Status CancelledWhileConnecting() const;
  void RetireSession(const FrameWriter::Lock& lock);
  // REQUIRES: the mutex is held.
  ChannelState CurrentState();

  const Transport& transport_;
  const Address address_;
  const ChannelOptions options_;
  const ForkGuard fork_guard_;

  WriteMutex mutex_;  // all below, and the write lock of every session
  std::condition_variable_any connected_;
  bool connecting_ = false;
  uint64_t attempts_ = 0;  // that have ended
  absl::Status last_error_;
  std::unique_ptr<ClientSession> session_;
  std::vector<std::unique_ptr<ClientSession>> retired_;  // calls may still be leaving them

  BackgroundConnect background_{
      [this](ClientContext& context) { Connect(context); }};  // last: uses the above
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_FRAME_ENGINE_H_
