// bench_peer_grpc: the worker of grpc/unix, with gRPC's synchronous API.
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <string>

#include "echo.grpc.pb.h"
#include "time_calls.h"
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

absl::StatusOr<std::unique_ptr<WorkerClient>> Connect(const WorkerOptions& options) {
  if (options.work != "unary") return absl::UnimplementedError("bench_peer_grpc does no " + options.work);
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kNoLimit);
  auto client = std::make_unique<UnaryClient>(
      grpc::CreateCustomChannel("unix:" + options.address, grpc::InsecureChannelCredentials(), arguments),
      options);
  if (absl::Status status = client->Connect(); !status.ok()) return status;
  return client;
}

absl::Status Serve(const WorkerOptions& options, const std::function<void()>& ready) {
  EchoService service;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + options.address, grpc::InsecureServerCredentials());
  builder.SetMaxReceiveMessageSize(kNoLimit);
  builder.RegisterService(&service);
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
