// Readers and writers of streaming calls, named and shaped as gRPC's.
//
//   std::unique_ptr<sidecall::ClientReader<Entry>> reader = stub.List(&context, request);
//   for (Entry entry; reader->Read(&entry);) Use(entry);
//   absl::Status status = reader->Finish();
//
// Every function blocks until it is done or the call has ended. A client's stream that is destroyed before
// Finish is cancelled; the context must outlive it. A handler's lives as long as the handler runs, and holds
// a thread of the server until then. Thread-safety: one thread reads, one writes; Finish comes after both.
// Where a Read is under way all the same, Finish waits for it, and drops what nobody has read.
#ifndef SIDECALL_STREAM_H_
#define SIDECALL_STREAM_H_

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "sidecall/channel.h"
#include "sidecall/internal/call_defaults.h"
#include "sidecall/internal/call_engine.h"
#include "sidecall/internal/message.h"
#include "sidecall/write_options.h"

namespace sidecall {

// A client's view of a server-streaming call.
template <typename Reply>
class ClientReader final {
 public:
  // For generated code.
  ClientReader(std::shared_ptr<Channel> channel, const internal::Method& method, ClientContext& context,
               const google::protobuf::MessageLite& request)
      : channel_(std::move(channel)) {
    const internal::ProtobufSource source(request);
    stream_ =
        channel_->engine().StartStream(method, internal::WithDefaults(method, context), &source, nullptr);
  }

  // Until the context has the server's initial metadata, or the call has ended.
  void WaitForInitialMetadata() { stream_->WaitForInitialMetadata(); }
  // False when the stream has ended; Finish then says how.
  bool Read(Reply* message) {
    internal::ProtobufTarget target(*message);
    return stream_->Read(target);
  }
  // The call's status. Messages that were not read are dropped.
  absl::Status Finish() { return stream_->Finish(); }

 private:
  std::shared_ptr<Channel> channel_;
  std::unique_ptr<internal::ClientStream> stream_;
};

// A client's view of a client-streaming call.
template <typename Request>
class ClientWriter final {
 public:
  // For generated code. `reply` is written by Finish, where the status is OK.
  ClientWriter(std::shared_ptr<Channel> channel, const internal::Method& method, ClientContext& context,
               google::protobuf::MessageLite& reply)
      : channel_(std::move(channel)), reply_(reply) {
    stream_ =
        channel_->engine().StartStream(method, internal::WithDefaults(method, context), nullptr, &reply_);
  }
  ClientWriter(const ClientWriter&) = delete;  // The call knows where its reply goes.
  ClientWriter& operator=(const ClientWriter&) = delete;

  void WaitForInitialMetadata() { stream_->WaitForInitialMetadata(); }
  // False when the call has ended; Finish then says how.
  bool Write(const Request& message, const WriteOptions& options = {}) {
    return stream_->Write(internal::ProtobufSource(message), options);
  }
  bool WriteLast(const Request& message, WriteOptions options) {
    return Write(message, options.set_last_message());
  }
  // No message follows. Finish says it too.
  bool WritesDone() { return stream_->WritesDone(); }
  absl::Status Finish() { return stream_->Finish(); }

 private:
  std::shared_ptr<Channel> channel_;
  internal::ProtobufTarget reply_;
  std::unique_ptr<internal::ClientStream> stream_;
};

// A client's view of a bidirectional call.
template <typename Request, typename Reply>
class ClientReaderWriter final {
 public:
  // For generated code.
  ClientReaderWriter(std::shared_ptr<Channel> channel, const internal::Method& method, ClientContext& context)
      : channel_(std::move(channel)) {
    stream_ =
        channel_->engine().StartStream(method, internal::WithDefaults(method, context), nullptr, nullptr);
  }

  void WaitForInitialMetadata() { stream_->WaitForInitialMetadata(); }
  bool Read(Reply* message) {
    internal::ProtobufTarget target(*message);
    return stream_->Read(target);
  }
  bool Write(const Request& message, const WriteOptions& options = {}) {
    return stream_->Write(internal::ProtobufSource(message), options);
  }
  bool WriteLast(const Request& message, WriteOptions options) {
    return Write(message, options.set_last_message());
  }
  bool WritesDone() { return stream_->WritesDone(); }
  absl::Status Finish() { return stream_->Finish(); }

 private:
  std::shared_ptr<Channel> channel_;
  std::unique_ptr<internal::ClientStream> stream_;
};

// A handler's view of a client-streaming call.
template <typename Request>
class ServerReader final {
 public:
  // For the runtime.
  explicit ServerReader(internal::ServerCall& call) : call_(call) {}

  // Sends the context's initial metadata now, instead of with the first message or the status.
  void SendInitialMetadata() { call_.SendInitialMetadata(); }
  // False where the client sends no more, or is gone (ServerContext::IsCancelled).
  bool Read(Request* message) {
    internal::ProtobufTarget target(*message);
    return call_.Read(target);
  }

 private:
  internal::ServerCall& call_;
};

// A handler's view of a server-streaming call.
template <typename Reply>
class ServerWriter final {
 public:
  // For the runtime.
  explicit ServerWriter(internal::ServerCall& call) : call_(call) {}

  void SendInitialMetadata() { call_.SendInitialMetadata(); }
  // False where nobody waits for the message any more.
  bool Write(const Reply& message, const WriteOptions& options = {}) {
    return call_.Write(internal::ProtobufSource(message), options);
  }
  bool WriteLast(const Reply& message, WriteOptions options) {
    return Write(message, options.set_last_message());
  }

 private:
  internal::ServerCall& call_;
};

// A handler's view of a bidirectional call.
template <typename Reply, typename Request>
class ServerReaderWriter final {
 public:
  // For the runtime.
  explicit ServerReaderWriter(internal::ServerCall& call) : call_(call) {}

  void SendInitialMetadata() { call_.SendInitialMetadata(); }
  bool Read(Request* message) {
    internal::ProtobufTarget target(*message);
    return call_.Read(target);
  }
  bool Write(const Reply& message, const WriteOptions& options = {}) {
    return call_.Write(internal::ProtobufSource(message), options);
  }
  bool WriteLast(const Reply& message, WriteOptions options) {
    return Write(message, options.set_last_message());
  }

 private:
  internal::ServerCall& call_;
};

}  // namespace sidecall

#endif  // SIDECALL_STREAM_H_
