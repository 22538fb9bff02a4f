// bench_peer_capnp: the worker of capnp/unix, with Cap'n Proto's simplest RPC classes.
#include <capnp/ez-rpc.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "echo.capnp.h"
#include "time_calls.h"
#include "worker.h"

namespace bench {
namespace {

constexpr int64_t kId = 7;

absl::Status FromKj(const kj::Exception& exception) {
  return absl::UnavailableError(std::string(exception.getDescription().cStr()));
}

class EchoImpl final : public capnp_echo::Echo::Server {
  kj::Promise<void> unary(UnaryContext context) override {
    const auto request = context.getParams();
    auto reply = context.getResults();
    reply.setPayload(request.getPayload());
    reply.setId(request.getId());
    return kj::READY_NOW;
  }
};

class UnaryClient final : public WorkerClient {
 public:
  explicit UnaryClient(const WorkerOptions& options)
      : client_("unix:" + options.address),
        echo_(client_.getMain<capnp_echo::Echo>()),
        payload_(options.bytes, 'x') {}

  // Its members' destructors may throw.
  ~UnaryClient() noexcept override = default;

  // Makes the connection, outside of what is timed.
  absl::Status Connect() {
    std::vector<int64_t> ignored;
    return Run(1, ignored);
  }

  absl::Status Run(size_t calls, std::vector<int64_t>& nanos) override {
    bool echoed = true;
    const kj::Maybe<kj::Exception> failure =
        kj::runCatchingExceptions([&] { TimeCalls(calls, nanos, [&] { return echoed = Call(); }); });
    KJ_IF_MAYBE (exception, failure) return FromKj(*exception);
    return echoed ? absl::OkStatus() : absl::DataLossError("the reply is not the request");
  }

 private:
  // A reply is read where it arrived: nothing to compare beyond its size.
  bool Call() {
    auto request = echo_.unaryRequest();
    request.setPayload(kj::arrayPtr(payload_.data(), payload_.size()));
    request.setId(kId);
    const auto reply = request.send().wait(client_.getWaitScope());
    return reply.getPayload().size() == payload_.size() && reply.getId() == kId;
  }

  capnp::EzRpcClient client_;
  capnp_echo::Echo::Client echo_;
  const std::vector<unsigned char> payload_;
};

absl::StatusOr<std::unique_ptr<WorkerClient>> Connect(const WorkerOptions& options) {
  if (options.work != "unary") return absl::UnimplementedError("bench_peer_capnp does no " + options.work);
  auto client = std::make_unique<UnaryClient>(options);
  if (absl::Status status = client->Connect(); !status.ok()) return status;
  return client;
}

absl::Status Serve(const WorkerOptions& options, const std::function<void()>& ready) {
  const kj::Maybe<kj::Exception> failure = kj::runCatchingExceptions([&] {
    capnp::EzRpcServer server(kj::heap<EchoImpl>(), "unix:" + options.address);
    // Its port is known once it listens.
    server.getPort().wait(server.getWaitScope());
    ready();
    kj::Promise<void>(kj::NEVER_DONE).wait(server.getWaitScope());
  });
  KJ_IF_MAYBE (exception, failure) return FromKj(*exception);
  return absl::OkStatus();
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::RunWorker(argc, argv, {&bench::Connect, &bench::Serve});
}
