// The call seam: how a call travels, whatever carries it. Above it are stubs and services; below it one
// engine that moves frames over local transports (runtime/core), and room for another that moves them over
// gRPC.
//
// An operation is a batch. Unary is one batch each way: start + message + half-close out; initial metadata +
// message + status in. No frame, lane or stream id shows here.
#ifndef SIDECALL_INTERNAL_CALL_ENGINE_H_
#define SIDECALL_INTERNAL_CALL_ENGINE_H_

#include "absl/status/status.h"
#include "sidecall/internal/message.h"
#include "sidecall/internal/method.h"

namespace sidecall {

class ClientContext;
class ServerContext;

namespace internal {

// The client's side. Thread-safety: any thread.
class CallEngine {
 public:
  virtual ~CallEngine() = default;

  // One unary call, from its request to its status. Blocks. `reply` is written only where the status is OK.
  virtual absl::Status RunUnary(const Method& method, ClientContext& context, const MessageSource& request,
                                MessageTarget& reply) = 0;
};

// The server's side: one call, handed to a handler. Used by one thread at a time.
class ServerCall {
 public:
  virtual ServerContext& context() = 0;

  // Parses the request. Errors: INVALID_ARGUMENT where its bytes are no such message. Must be called, once,
  // before anything that may block: the request's bytes are gone afterwards, and other calls may run on other
  // threads.
  virtual absl::Status ReceiveMessage(MessageTarget& request) = 0;

  // Answers: initial metadata, message and status in one batch. `reply` is null where `status` is not OK.
  virtual void Finish(const absl::Status& status, const MessageSource* reply) = 0;

 protected:
  ~ServerCall() = default;
};

}  // namespace internal
}  // namespace sidecall

#endif  // SIDECALL_INTERNAL_CALL_ENGINE_H_
