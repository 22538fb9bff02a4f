// bench_peer_grpc: the worker of grpc/unix, with gRPC's synchronous API; for calls in flight, a completion
// queue and a service with callbacks.
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "echo.grpc.pb.h"
#include "stream_work.h"
#include "time_calls.h"
#include "window_work.h"
#include "worker.h"

namespace bench {
namespace {

constexpr int kNoLimit = -1;

absl::Status FromGrpc(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

class EchoService final : public Echo::Service {
  grpc::Status Unary(grpc::ServerContext*, const EchoMessage* request, EchoMessage* reply) override {
    reply->set_payload(request->payload());
    reply->set_id(request->id());
    return grpc::Status::OK;
  }
  grpc::Status Collect(grpc::ServerContext*, grpc::ServerReader<EchoMessage>* reader,
                       EchoMessage* reply) override {
    int64_t count = 0;
    for (EchoMessage message; reader->Read(&message);) count++;
    reply->set_id(count);
    return grpc::Status::OK;
  }
  grpc::Status EchoAll(grpc::ServerContext*,
                       grpc::ServerReaderWriter<EchoMessage, EchoMessage>* stream) override {
    stream->SendInitialMetadata();  // gRPC never ends a first Write with the hint otherwise.
    const grpc::WriteOptions more = grpc::WriteOptions().set_buffer_hint();
    for (EchoMessage message; stream->Read(&message);) {
      if (!stream->Write(message, message.id() == kEndOfStep ? grpc::WriteOptions() : more)) break;
    }
    return grpc::Status::OK;
  }
};

class UnaryClient final : public WorkerClient {
 public:
  UnaryClient(const std::shared_ptr<grpc::Channel>& channel, const WorkerOptions& options)
      : stub_(Echo::NewStub(channel)), deadline_(options.deadline) {
    request_.set_payload(std::string(options.bytes, 'x'));
    request_.set_id(7);
  }

  // Makes the connection, outside of what is timed.
  absl::Status Connect() { return FromGrpc(Call()); }

  absl::Status Run(size_t calls, std::vector<int64_t>& nanos) override {
    grpc::Status status;
    const bool all = TimeCalls(calls, nanos, [&] {
      status = Call();
      return status.ok();
    });
    return all ? CheckEcho(request_, reply_) : FromGrpc(status);
  }

 private:
  grpc::Status Call() {
    grpc::ClientContext context;
    if (deadline_) {
      context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(kDeadlineSeconds));
    }
    return stub_->Unary(&context, request_, &reply_);
  }

  std::unique_ptr<Echo::Stub> stub_;
  const bool deadline_;
  EchoMessage request_;
  EchoMessage reply_;
};

class StreamClient final : public WorkerClient {
 public:
  StreamClient(const std::shared_ptr<grpc::Channel>& channel, const WorkerOptions& options)
      : stub_(Echo::NewStub(channel)) {
    message_.set_payload(std::string(options.bytes, 'x'));
    message_.set_id(7);
  }

  absl::Status Run(size_t messages, std::vector<int64_t>& /*nanos*/) override {
    grpc::ClientContext context;
    EchoMessage reply;
    const auto writer = stub_->Collect(&context, &reply);
    const grpc::WriteOptions more = grpc::WriteOptions().set_buffer_hint();
    for (size_t i = 0; i < messages && writer->Write(message_, more); i++) {
    }
    writer->WritesDone();
    const grpc::Status status = writer->Finish();
    return status.ok() ? CheckCount(messages, reply.id()) : FromGrpc(status);
  }

 private:
  std::unique_ptr<Echo::Stub> stub_;
  EchoMessage message_;
};

// Unary calls in flight, through a completion queue: each is taken as it ends.
class PipelinedClient final : public WorkerClient {
 public:
  PipelinedClient(const std::shared_ptr<grpc::Channel>& channel, const WorkerOptions& options)
      : stub_(Echo::NewStub(channel)), window_(kPipelinedWindow.most) {
    request_.set_payload(std::string(options.bytes, 'x'));
    request_.set_id(7);
  }

  absl::Status Run(size_t calls, std::vector<int64_t>& /*nanos*/) override {
    size_t started = 0;
    for (; started < std::min(calls, window_.size()); started++) Start(window_[started]);
    Place* last = nullptr;
    for (size_t ended = 0; ended < calls; ended++) {
      void* tag = nullptr;
      bool ok = false;
      if (!queue_.Next(&tag, &ok)) return absl::InternalError("the completion queue ended");
      last = static_cast<Place*>(tag);
      if (!last->status.ok()) return FromGrpc(last->status);
      if (started < calls) {
        Start(*last);
        started++;
      }
    }
    return CheckEcho(request_, last->reply);
  }

 private:
  struct Place {
    std::optional<grpc::ClientContext> context;
    EchoMessage reply;
    grpc::Status status;
    std::unique_ptr<grpc::ClientAsyncResponseReader<EchoMessage>> call;
  };
  void Start(Place& place) {
    place.call.reset();
    place.context.emplace();
    place.call = stub_->AsyncUnary(&*place.context, request_, &queue_);
    place.call->Finish(&place.reply, &place.status, &place);
  }

  std::unique_ptr<Echo::Stub> stub_;
  grpc::CompletionQueue queue_;
  EchoMessage request_;
  std::vector<Place> window_;
};

class BothWaysClient final : public WorkerClient {
 public:
  BothWaysClient(const std::shared_ptr<grpc::Channel>& channel, const WorkerOptions& options)
      : stub_(Echo::NewStub(channel)) {
    message_.set_payload(std::string(options.bytes, 'x'));
  }

  absl::Status Run(size_t messages, std::vector<int64_t>& /*nanos*/) override {
    grpc::ClientContext context;
    const auto stream = stub_->EchoAll(&context);
    const grpc::WriteOptions hint = grpc::WriteOptions().set_buffer_hint();
    const bool all = RunWindow(
        kStreamWindow, messages,
        [&](size_t, bool more) {
          message_.set_id(more ? 0 : kEndOfStep);
          return stream->Write(message_, more ? hint : grpc::WriteOptions());
        },
        [&](size_t) { return stream->Read(&echo_); });
    stream->WritesDone();
    const grpc::Status status = stream->Finish();
    if (!status.ok()) return FromGrpc(status);
    return all ? CheckEcho(message_, echo_) : absl::DataLossError("the stream ended early");
  }

 private:
  std::unique_ptr<Echo::Stub> stub_;
  EchoMessage message_;
  EchoMessage echo_;
};

// For calls in flight: a little faster there than the synchronous one.
class CallbackService final : public Echo::WithCallbackMethod_Unary<Echo::Service> {
  grpc::ServerUnaryReactor* Unary(grpc::CallbackServerContext* context, const EchoMessage* request,
                                  EchoMessage* reply) override {
    reply->set_payload(request->payload());
    reply->set_id(request->id());
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

absl::StatusOr<std::unique_ptr<WorkerClient>> Connect(const WorkerOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kNoLimit);
  const auto channel =
      grpc::CreateCustomChannel("unix:" + options.address, grpc::InsecureChannelCredentials(), arguments);
  if (IsStreamWork(options.work)) return std::make_unique<StreamClient>(channel, options);
  if (options.work == kPipelined) return std::make_unique<PipelinedClient>(channel, options);
  if (options.work == kStreamBothWays) return std::make_unique<BothWaysClient>(channel, options);
  if (options.work != "unary") return absl::UnimplementedError("bench_peer_grpc does no " + options.work);
  auto client = std::make_unique<UnaryClient>(channel, options);
  if (absl::Status status = client->Connect(); !status.ok()) return status;
  return client;
}

absl::Status Serve(const WorkerOptions& options, const std::function<void()>& ready) {
  EchoService service;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + options.address, grpc::InsecureServerCredentials());
  builder.SetMaxReceiveMessageSize(kNoLimit);
  CallbackService callbacks;
  if (options.work == kPipelined) {
    builder.RegisterService(&callbacks);
  } else {
    builder.RegisterService(&service);
  }
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return absl::UnavailableError("gRPC cannot listen at unix:" + options.address);
  ready();
  server->Wait();
  return absl::OkStatus();
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::RunWorker(argc, argv, {&bench::Connect, &bench::Serve});
}
