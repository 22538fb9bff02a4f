// What generated services register: typed handlers behind Service::Handler.
#ifndef SIDECALL_INTERNAL_HANDLER_H_
#define SIDECALL_INTERNAL_HANDLER_H_

#include <exception>
#include <memory>
#include <new>
#include <utility>

#include "sidecall/internal/call_engine.h"
#include "sidecall/server_context.h"
#include "sidecall/service.h"
#include "sidecall/stream.h"

namespace sidecall::internal {

// The status of a handler that threw: UNKNOWN, with what() where there is one.
absl::Status StatusFromException(const char* what);
// That of a call for which the server has no memory: RESOURCE_EXHAUSTED.
absl::Status StatusOfNoMemory();

// A request and a reply that a thread uses again for the next call of the same types, with the memory that
// they grew: a fresh 64 KiB string costs more than the whole call. Larger ones than kKeptBytes are let go.
template <typename Request, typename Reply>
class ReusedMessages {
 public:
  static constexpr size_t kKeptBytes = 2u << 20;

  ReusedMessages() : pair_(std::move(Kept())) {
    if (pair_ == nullptr) pair_ = std::make_unique<Pair>();
  }
  ~ReusedMessages() {
    if (bytes_ > kKeptBytes) return;
    pair_->request.Clear();
    pair_->reply.Clear();
    Kept() = std::move(pair_);
  }
  Request& request() { return pair_->request; }
  Reply& reply() { return pair_->reply; }
  // Bytes that a message took on the wire.
  void NoteSize(size_t bytes) { bytes_ = bytes > bytes_ ? bytes : bytes_; }

 private:
  struct Pair {
    Request request;
    Reply reply;
  };
  static std::unique_ptr<Pair>& Kept() {
    static thread_local std::unique_ptr<Pair> kept;
    return kept;
  }

  std::unique_ptr<Pair> pair_;
  size_t bytes_ = 0;
};

// Calls `handler`, and makes a status of what it throws.
template <typename Function>
absl::Status RunHandler(const Function& handler) {
  try {
    return handler();
  } catch (const std::bad_alloc&) {
    return StatusOfNoMemory();
  } catch (const std::exception& exception) {
    return StatusFromException(exception.what());
  } catch (...) {
    return StatusFromException("an exception that is no std::exception");
  }
}

// Calls `ServiceType::Method(context, &request, &reply)` for a unary call.
template <typename ServiceType, typename Request, typename Reply,
          absl::Status (ServiceType::*kMethod)(ServerContext*, const Request*, Reply*)>
void HandleUnary(Service& service, ServerCall& call) {
  ReusedMessages<Request, Reply> messages;
  ProtobufTarget target(messages.request());
  absl::Status status = call.ReceiveMessage(target);
  messages.NoteSize(target.size());
  if (status.ok()) {
    status = RunHandler([&] {
      return (static_cast<ServiceType&>(service).*kMethod)(&call.context(), &messages.request(),
                                                           &messages.reply());
    });
  }
  if (status.ok()) {
    ProtobufSource source(messages.reply());
    call.Finish(status, &source);
    messages.NoteSize(static_cast<size_t>(messages.reply().GetCachedSize()));
  } else {
    call.Finish(status, nullptr);
  }
}

// Calls `ServiceType::Method(context, &reader, &reply)` for a client-streaming call.
template <typename ServiceType, typename Request, typename Reply,
          absl::Status (ServiceType::*kMethod)(ServerContext*, ServerReader<Request>*, Reply*)>
void HandleClientStreaming(Service& service, ServerCall& call) {
  ServerReader<Request> reader(call);
  Reply reply;
  const absl::Status status = RunHandler(
      [&] { return (static_cast<ServiceType&>(service).*kMethod)(&call.context(), &reader, &reply); });
  const ProtobufSource source(reply);
  call.Finish(status, status.ok() ? &source : nullptr);
}

// Calls `ServiceType::Method(context, &request, &writer)` for a server-streaming call.
template <typename ServiceType, typename Request, typename Reply,
          absl::Status (ServiceType::*kMethod)(ServerContext*, const Request*, ServerWriter<Reply>*)>
void HandleServerStreaming(Service& service, ServerCall& call) {
  Request request;
  ProtobufTarget target(request);
  absl::Status status = call.ReceiveMessage(target);
  if (status.ok()) {
    ServerWriter<Reply> writer(call);
    status = RunHandler(
        [&] { return (static_cast<ServiceType&>(service).*kMethod)(&call.context(), &request, &writer); });
  }
  call.Finish(status, nullptr);
}

// Calls `ServiceType::Method(context, &stream)` for a bidirectional call.
template <typename ServiceType, typename Request, typename Reply,
          absl::Status (ServiceType::*kMethod)(ServerContext*, ServerReaderWriter<Reply, Request>*)>
void HandleBidirectionalStreaming(Service& service, ServerCall& call) {
  ServerReaderWriter<Reply, Request> stream(call);
  call.Finish(
      RunHandler([&] { return (static_cast<ServiceType&>(service).*kMethod)(&call.context(), &stream); }),
      nullptr);
}

}  // namespace sidecall::internal

#endif  // SIDECALL_INTERNAL_HANDLER_H_
