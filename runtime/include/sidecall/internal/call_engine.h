// The call seam: how a call travels, whatever carries it. Above it are stubs and services; below it one
// engine that moves frames over local transports (runtime/core), and room for another that moves them over
// gRPC.
//
// An operation is a batch. Unary is one batch each way: start + message + half-close out; initial metadata +
// message + status in; waited for at once, or a PendingUnary in between. A streaming call is a ClientStream
// and a ServerCall that reads and writes. No frame, lane or stream id shows here.
#ifndef SIDECALL_INTERNAL_CALL_ENGINE_H_
#define SIDECALL_INTERNAL_CALL_ENGINE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "sidecall/channel_state.h"
#include "sidecall/internal/message.h"
#include "sidecall/internal/method.h"
#include "sidecall/write_options.h"

namespace sidecall {

class ClientContext;
class ServerContext;

namespace internal {

// The client's side of one streaming call. Every function blocks until it is done, the call has ended, its
// deadline has passed or it was cancelled. Thread-safety: one thread reads, one writes; Finish comes last, by
// one. The destructor cancels a call that was not finished.
class ClientStream {
 public:
  virtual ~ClientStream() = default;

  // False where the message is not sent: the call has ended, and Finish says how.
  virtual bool Write(const MessageSource& message, const WriteOptions& options) = 0;
  // No message follows. False as above.
  virtual bool WritesDone() = 0;
  // Until the server's initial metadata is in the context, or the call has ended.
  virtual void WaitForInitialMetadata() = 0;
  // False where no message comes any more.
  virtual bool Read(MessageTarget& message) = 0;
  // Half-closes where that was not done, drops messages that were not read, and gives the call's status.
  virtual absl::Status Finish() = 0;
};

// One unary call under way, for which nobody waits yet. It is the engine's: Finish or Abandon, which comes
// once and last, gives it back. Thread-safety: one thread at a time.
class PendingUnary {
 public:
  // Blocks until the call has ended, and gives its status.
  virtual absl::Status Finish() = 0;
  // Cancels the call, which nobody waits for. Neither reply nor context is touched any more.
  virtual void Abandon() = 0;

 protected:
  ~PendingUnary() = default;
};

// The client's side. Thread-safety: any thread.
class CallEngine {
 public:
  virtual ~CallEngine() = default;

  // One unary call, from its request to its status. Blocks. `reply` is written only where the status is OK.
  virtual absl::Status RunUnary(const Method& method, ClientContext& context, const MessageSource& request,
                                MessageTarget& reply) = 0;

  // Begins one, whose reply comes when it will. Blocks where it must connect first, and while the server
  // takes no more bytes. The context and `reply` must outlive the call; the request need not. A call that
  // could not begin has ended. `may_wait`: it need not leave before others that follow at once, or
  // SendWaiting.
  virtual PendingUnary& StartUnary(const Method& method, ClientContext& context, const MessageSource& request,
                                   google::protobuf::MessageLite& reply, bool may_wait) = 0;
  virtual void SendWaiting() = 0;

  // Begins a streaming call. `request`: the one message of a client that sends one, else null. `reply`: where
  // the one message of a server that sends one goes, else null. The context and `reply` must outlive the
  // stream. Never null: a call that could not begin has ended.
  virtual std::unique_ptr<ClientStream> StartStream(const Method& method, ClientContext& context,
                                                    const MessageSource* request, MessageTarget* reply) = 0;

  virtual ChannelState State() = 0;
  // Connects, unless it is connected; tries again until the deadline of `context`, which waits. False where
  // it came first, or trying again has no use.
  virtual bool Connect(ClientContext& context) = 0;
  // Has a thread connect, trying again until it is, or the engine goes.
  virtual void ConnectInBackground() = 0;
  // Waits until the state is another than `last`. False where `deadline_nanos` came first.
  virtual bool AwaitStateChange(ChannelState last, int64_t deadline_nanos) = 0;
  // As Channel's.
  virtual std::vector<std::string> Connections() = 0;
};

// The server's side: one call, handed to a handler. Used by one thread at a time, but for Read beside Write,
// and TryCancel from any.
class ServerCall {
 public:
  virtual ServerContext& context() = 0;

  // Parses the request. Errors: INVALID_ARGUMENT where its bytes are no such message. Must be called, once,
  // before anything that may block: the request's bytes are gone afterwards, and other calls may run on other
  // threads.
  virtual absl::Status ReceiveMessage(MessageTarget& request) = 0;

  // The next message of a client that sends many. Blocks; false where none comes any more.
  virtual bool Read(MessageTarget& message) = 0;
  // One message of many. Blocks while the client takes no more; false where nobody waits for it any more.
  virtual bool Write(const MessageSource& message, const WriteOptions& options) = 0;
  // Sends the context's initial metadata now, instead of with the first message or the status.
  virtual void SendInitialMetadata() = 0;

  // As ServerContext's.
  virtual void NotifyOnCancel(std::function<void()> callback) = 0;
  virtual void TryCancel() = 0;

  // Answers: initial metadata, message and status in one batch. `reply` is null where `status` is not OK.
  virtual void Finish(const absl::Status& status, const MessageSource* reply) = 0;

 protected:
  ~ServerCall() = default;
};

}  // namespace internal
}  // namespace sidecall

#endif  // SIDECALL_INTERNAL_CALL_ENGINE_H_
