// bench_sidecall: the worker of sidecall/<transport>. The transport is the scheme of an address, so that a
// new one whose addresses are paths needs nothing here.
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "echo.sidecall.h"
#include "sidecall/sidecall.h"
#include "stream_work.h"
#include "time_calls.h"
#include "window_work.h"
#include "worker.h"

namespace bench {
namespace {

std::string AddressOf(const WorkerOptions& options) {
  std::string place = options.address;
  // A message queue's name has one slash, its first character.
  if (options.transport == "mqueue") std::replace(place.begin() + 1, place.end(), '/', '.');
  return options.transport + ":" + place;
}

// What a client of a server that is found by name calls; both sides look in the same registry from now on.
std::string UseName(const WorkerOptions& options) {
  setenv("SIDECALL_DIR", (options.address + ".registry").c_str(), 1);
  setenv("SIDECALL_SERVE", options.transport.c_str(), 1);
  return "sidecall:" + std::string(Echo::kServiceName);
}

sidecall::Polling PollingOf(Mode mode) {
  return mode == Mode::kSleeping ? sidecall::Polling::kOff : sidecall::Polling::kAdaptive;
}

class EchoService final : public Echo::Service {
  absl::Status Unary(sidecall::ServerContext*, const EchoMessage* request, EchoMessage* reply) override {
    reply->set_payload(request->payload());
    reply->set_id(request->id());
    return absl::OkStatus();
  }
  absl::Status Flood(sidecall::ServerContext*, const EchoMessage* request,
                     sidecall::ServerWriter<EchoMessage>* writer) override {
    while (writer->Write(*request)) {
    }
    return absl::OkStatus();
  }
  absl::Status Collect(sidecall::ServerContext*, sidecall::ServerReader<EchoMessage>* reader,
                       EchoMessage* reply) override {
    int64_t count = 0;
    for (EchoMessage message; reader->Read(&message);) count++;
    reply->set_id(count);
    return absl::OkStatus();
  }
  absl::Status EchoAll(sidecall::ServerContext*,
                       sidecall::ServerReaderWriter<EchoMessage, EchoMessage>* stream) override {
    const sidecall::WriteOptions more = sidecall::WriteOptions().set_buffer_hint();
    for (EchoMessage message; stream->Read(&message);) {
      if (!stream->Write(message, message.id() == kEndOfStep ? sidecall::WriteOptions() : more)) break;
    }
    return absl::OkStatus();
  }
};

class UnaryClient final : public WorkerClient {
 public:
  UnaryClient(std::shared_ptr<sidecall::Channel> channel, const WorkerOptions& options)
      : stub_(std::move(channel)), deadline_(options.deadline) {
    request_.set_payload(std::string(options.bytes, 'x'));
    request_.set_id(7);
    if (options.stalled_stream) stalled_ = stub_.Flood(&stalled_context_, request_);
  }

  // Makes the connection, outside of what is timed.
  absl::Status Connect() { return Call(); }

  absl::Status Run(size_t calls, std::vector<int64_t>& nanos) override {
    absl::Status status;
    const bool all = TimeCalls(calls, nanos, [&] {
      status = Call();
      return status.ok();
    });
    return all ? CheckEcho(request_, reply_) : status;
  }

 private:
  absl::Status Call() {
    sidecall::ClientContext context;
    if (deadline_) context.set_timeout(absl::Seconds(kDeadlineSeconds));
    return stub_.Unary(&context, request_, &reply_);
  }

  Echo::Stub stub_;
  const bool deadline_;
  EchoMessage request_;
  EchoMessage reply_;
  sidecall::ClientContext stalled_context_;
  std::unique_ptr<sidecall::ClientReader<EchoMessage>> stalled_;
};

class StreamClient final : public WorkerClient {
 public:
  StreamClient(std::shared_ptr<sidecall::Channel> channel, const WorkerOptions& options)
      : stub_(std::move(channel)), deadline_(options.deadline) {
    message_.set_payload(std::string(options.bytes, 'x'));
    message_.set_id(7);
  }

  absl::Status Run(size_t messages, std::vector<int64_t>& /*nanos*/) override {
    sidecall::ClientContext context;
    if (deadline_) context.set_timeout(absl::Seconds(kDeadlineSeconds));
    EchoMessage reply;
    const auto writer = stub_.Collect(&context, &reply);
    const sidecall::WriteOptions more = sidecall::WriteOptions().set_buffer_hint();
    for (size_t i = 0; i < messages && writer->Write(message_, more); i++) {
    }
    absl::Status status = writer->Finish();
    return status.ok() ? CheckCount(messages, reply.id()) : status;
  }

 private:
  Echo::Stub stub_;
  const bool deadline_;
  EchoMessage message_;
};

// Unary calls in flight: what each needs lies in its place of the window.
class PipelinedClient final : public WorkerClient {
 public:
  PipelinedClient(std::shared_ptr<sidecall::Channel> channel, const WorkerOptions& options)
      : stub_(std::move(channel)), deadline_(options.deadline), window_(kPipelinedWindow.most) {
    request_.set_payload(std::string(options.bytes, 'x'));
    request_.set_id(7);
  }

  absl::Status Run(size_t calls, std::vector<int64_t>& /*nanos*/) override {
    absl::Status status;
    sidecall::Burst burst;
    const bool all = RunWindow(
        kPipelinedWindow, calls,
        [&](size_t index, bool more) {
          Start(window_[index % window_.size()], burst);
          if (!more) burst.Send();
          return true;
        },
        [&](size_t index) {
          status = window_[index % window_.size()].call->Finish();
          return status.ok();
        });
    if (!all) return status;
    return CheckEcho(request_, window_[(calls - 1) % window_.size()].reply);
  }

 private:
  struct Place {
    std::optional<sidecall::ClientContext> context;
    EchoMessage reply;
    std::optional<sidecall::PendingCall> call;
  };
  void Start(Place& place, sidecall::Burst& burst) {
    place.context.emplace();
    if (deadline_) place.context->set_timeout(absl::Seconds(kDeadlineSeconds));
    place.call.emplace(stub_.async(burst).Unary(&*place.context, request_, &place.reply));
  }

  Echo::Stub stub_;
  const bool deadline_;
  EchoMessage request_;
  std::vector<Place> window_;
};

class BothWaysClient final : public WorkerClient {
 public:
  BothWaysClient(std::shared_ptr<sidecall::Channel> channel, const WorkerOptions& options)
      : stub_(std::move(channel)), deadline_(options.deadline) {
    message_.set_payload(std::string(options.bytes, 'x'));
  }

  absl::Status Run(size_t messages, std::vector<int64_t>& /*nanos*/) override {
    sidecall::ClientContext context;
    if (deadline_) context.set_timeout(absl::Seconds(kDeadlineSeconds));
    const auto stream = stub_.EchoAll(&context);
    const sidecall::WriteOptions hint = sidecall::WriteOptions().set_buffer_hint();
    const bool all = RunWindow(
        kStreamWindow, messages,
        [&](size_t, bool more) {
          message_.set_id(more ? 0 : kEndOfStep);
          return stream->Write(message_, more ? hint : sidecall::WriteOptions());
        },
        [&](size_t) { return stream->Read(&echo_); });
    stream->WritesDone();
    absl::Status status = stream->Finish();
    if (!status.ok()) return status;
    return all ? CheckEcho(message_, echo_) : absl::DataLossError("the stream ended early");
  }

 private:
  Echo::Stub stub_;
  const bool deadline_;
  EchoMessage message_;
  EchoMessage echo_;
};

absl::StatusOr<std::unique_ptr<WorkerClient>> Connect(const WorkerOptions& options) {
  sidecall::ChannelOptions channel_options;
  channel_options.polling = PollingOf(options.mode);
  auto channel =
      sidecall::CreateChannel(options.named ? UseName(options) : AddressOf(options), channel_options);
  if (IsStreamWork(options.work)) return std::make_unique<StreamClient>(std::move(channel), options);
  if (options.work == kPipelined) return std::make_unique<PipelinedClient>(std::move(channel), options);
  if (options.work == kStreamBothWays) return std::make_unique<BothWaysClient>(std::move(channel), options);
  if (options.work != "unary") return absl::UnimplementedError("bench_sidecall does no " + options.work);
  auto client = std::make_unique<UnaryClient>(std::move(channel), options);
  if (absl::Status status = client->Connect(); !status.ok()) return status;
  return client;
}

absl::Status Serve(const WorkerOptions& options, const std::function<void()>& ready) {
  EchoService service;
  sidecall::ServerOptions server_options;
  server_options.polling = PollingOf(options.mode);
  sidecall::ServerBuilder builder;
  builder.RegisterService(&service).SetOptions(server_options);
  if (options.named) {
    (void)UseName(options);
  } else {
    builder.AddAddress(AddressOf(options));
  }
  absl::StatusOr<std::unique_ptr<sidecall::Server>> server = builder.BuildAndStart();
  if (!server.ok()) return server.status();
  ready();
  (*server)->Wait();
  return absl::OkStatus();
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::RunWorker(argc, argv, {&bench::Connect, &bench::Serve});
}
