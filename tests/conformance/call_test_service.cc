#include "call_test_service.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <future>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "absl/strings/match.h"
#include "call_patience.h"
#include "call_payload.h"
#include "call_services.h"
#include "call_statistics.h"
#include "call_trace_hook.h"

namespace conformance {

using sidecall::ServerContext;

namespace {

// Handlers of this process, of whichever server.
struct HandlerTally {
  std::mutex mutex;
  uint64_t entered = 0;
  uint64_t left = 0;
  uint64_t most_at_once = 0;
};
HandlerTally& Tally() {
  static auto* tally = new HandlerTally;
  return *tally;
}

// Lives for as long as a handler runs.
class Inside {
 public:
  Inside() {
    const std::lock_guard lock(Tally().mutex);
    Tally().entered++;
    Tally().most_at_once = std::max(Tally().most_at_once, Tally().entered - Tally().left);
  }
  ~Inside() {
    const std::lock_guard lock(Tally().mutex);
    Tally().left++;
  }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;
};

// What the client's metadata has a stream do.
struct StreamScript {
  static constexpr uint64_t kCancelInTheEnd = UINT64_MAX - 1;
  uint64_t end_after = UINT64_MAX;  // messages
  int code = 0;                     // of the status in the end
  std::string gate;                 // to be passed before the first message
  std::string end_gate;             // and before the end
  bool metadata_first = false;      // initial metadata at once
  // Cancels its own call after so many messages, or in the end where fewer come.
  uint64_t cancel_after = UINT64_MAX;
  std::string cancel_gate;  // cancels its own call from another thread, when that gate is open

  // Other keys come back: "initial-..." as initial metadata, "trailing-..." as trailing.
  static StreamScript Of(ServerContext& context) {
    StreamScript script;
    for (const auto& [key, value] : context.client_metadata()) {
      if (key == "end-after") script.end_after = std::stoull(value);
      if (key == "code") script.code = std::stoi(value);
      if (key == "gate") script.gate = value;
      if (key == "end-gate") script.end_gate = value;
      if (key == "metadata-first") script.metadata_first = true;
      if (key == "cancel-after") script.cancel_after = std::stoull(value);
      if (key == "cancel-gate") script.cancel_gate = value;
      if (absl::StartsWith(key, "initial-")) context.AddInitialMetadata(key, value);
      if (absl::StartsWith(key, "trailing-")) context.AddTrailingMetadata(key, value);
      if (key == "throw") throw std::runtime_error("as the client wished");
    }
    return script;
  }
  void CancelAfter(uint64_t messages, ServerContext& context) const {
    if (messages == cancel_after) context.TryCancel();
  }
  std::thread CancelAtGate(Gates& gates, ServerContext& context) const {
    if (cancel_gate.empty()) return {};
    return std::thread([this, &gates, &context] {
      if (gates.AwaitOpen(cancel_gate)) context.TryCancel();
    });
  }
  absl::Status End(Gates& gates, ServerContext& context) const {
    if (cancel_after == kCancelInTheEnd) context.TryCancel();
    if (!end_gate.empty() && !gates.Pass(end_gate, context)) return absl::CancelledError("at the end gate");
    return {static_cast<absl::StatusCode>(code), code == 0 ? "" : "as the client wished"};
  }
};

}  // namespace

TestServiceImpl::TestServiceImpl(const std::string& own_address, Gates& gates)
    : gates_(gates), self_(sidecall::CreateChannel(own_address)) {}

absl::Status TestServiceImpl::Empty(ServerContext*, const EmptyMessage*, EmptyMessage*) {
  const Inside inside;
  return absl::OkStatus();
}

absl::Status TestServiceImpl::Echo(ServerContext*, const EchoMessage* request, EchoMessage* reply) {
  const Inside inside;
  *reply = *request;
  return absl::OkStatus();
}

absl::Status TestServiceImpl::Fail(ServerContext* context, const FailRequest* request, EchoMessage* reply) {
  const Inside inside;
  for (const auto& [key, value] : context->client_metadata()) context->AddTrailingMetadata(key, value);
  reply->set_payload("a reply that must not arrive beside an error");
  const auto code = static_cast<absl::StatusCode>(request->code());
  if (request->details().empty()) return {code, request->message()};
  return sidecall::StatusWithDetails(code, request->message(), request->details());
}

absl::Status TestServiceImpl::EchoMetadata(ServerContext* context, const FailRequest* request,
                                           MetadataReply* reply) {
  const Inside inside;
  for (const auto& [key, value] : context->client_metadata()) {
    MetadataReply::Entry* entry = reply->add_seen();
    entry->set_key(key);
    entry->set_value(value);
    if (absl::StartsWith(key, "initial-")) {
      context->AddInitialMetadata(key, value);
    } else {
      context->AddTrailingMetadata(key, value);
    }
  }
  return {static_cast<absl::StatusCode>(request->code()), request->message()};
}

absl::Status TestServiceImpl::Sleep(ServerContext* context, const SleepRequest* request, EchoMessage* reply) {
  const Inside inside;
  reply->set_payload(std::string(request->reply_bytes(), 'x'));
  const StreamScript script = StreamScript::Of(*context);
  script.CancelAfter(0, *context);
  if (gates_.Pass(request->gate(), *context)) return absl::OkStatus();
  if (context->client_metadata().Find("ok-all-the-same").has_value()) return absl::OkStatus();
  return absl::CancelledError("nobody waits for this reply");
}

absl::Status TestServiceImpl::PeerIdentity(ServerContext* context, const EmptyMessage*,
                                           IdentityReply* reply) {
  const Inside inside;
  const sidecall::PeerIdentity& peer = context->peer();
  reply->set_uid(peer.uid.has_value() ? int64_t{*peer.uid} : -1);
  reply->set_gid(peer.gid.has_value() ? int64_t{*peer.gid} : -1);
  reply->set_pid(peer.pid.has_value() ? int64_t{*peer.pid} : -1);
  return absl::OkStatus();
}

absl::Status TestServiceImpl::CallSelf(ServerContext*, const CallSelfRequest* request, EchoMessage* reply) {
  const Inside inside;
  PatientContext context;
  if (request->depth() > 0) {
    CallSelfRequest next;
    next.set_depth(request->depth() - 1);
    next.set_number(request->number() + 1);
    return self_.CallSelf(&context, next, reply);
  }
  EchoMessage echo;
  echo.set_number(request->number());
  return self_.Echo(&context, echo, reply);
}

absl::Status TestServiceImpl::ForwardToNobody(ServerContext*, const EmptyMessage* request,
                                              EmptyMessage* reply) {
  const Inside inside;
  const TestService::Stub nobody(sidecall::CreateChannel("inproc:nobody listens here"));
  PatientContext context;
  return nobody.Empty(&context, *request, reply);
}

absl::Status TestServiceImpl::Throw(ServerContext*, const ThrowRequest* request, EmptyMessage*) {
  const Inside inside;
  if (request->standard()) throw std::runtime_error(request->what());
  throw 42;
}

absl::Status TestServiceImpl::TakeLarge(ServerContext*, const EchoMessage* request, LargeReply* reply) {
  const Inside inside;
  reply->set_size(request->payload().size());
  reply->set_checksum(Checksum(request->payload()));
  return absl::OkStatus();
}

absl::Status TestServiceImpl::ReturnLarge(ServerContext* context, const LargeRequest* request,
                                          EchoMessage* reply) {
  const Inside inside;
  if (request->initial_metadata()) context->AddInitialMetadata("initial", "there");
  if (request->trailing_metadata()) context->AddTrailingMetadata("trailing", "there");
  *reply->mutable_payload() = RandomPayload(request->size(), request->seed());
  return absl::OkStatus();
}

absl::Status TestServiceImpl::WhoServes(ServerContext*, const EmptyMessage*, WhoReply* reply) {
  const Inside inside;
  reply->set_pid(getpid());
  reply->set_thread(gettid());
  return absl::OkStatus();
}

absl::Status TestServiceImpl::TellDeadline(ServerContext* context, const EmptyMessage*,
                                           DeadlineReply* reply) {
  const Inside inside;
  reply->set_has_deadline(context->deadline() != absl::InfiniteFuture());
  if (reply->has_deadline()) {
    reply->set_left_nanos(absl::ToInt64Nanoseconds(context->deadline() - absl::Now()));
  }
  return absl::OkStatus();
}

absl::Status TestServiceImpl::ClientStream(ServerContext* context,
                                           sidecall::ServerReader<EchoMessage>* reader,
                                           StreamSummary* reply) {
  const Inside inside;
  const StreamScript script = StreamScript::Of(*context);
  if (script.metadata_first) reader->SendInitialMetadata();
  if (!script.gate.empty() && !gates_.Pass(script.gate, *context)) return absl::CancelledError("at the gate");
  script.CancelAfter(0, *context);
  std::thread canceller = script.CancelAtGate(gates_, *context);
  for (EchoMessage message; reply->messages() < script.end_after && reader->Read(&message);) {
    reply->set_messages(reply->messages() + 1);
    reply->set_bytes(reply->bytes() + message.payload().size());
    reply->set_sum(reply->sum() + message.number());
    script.CancelAfter(reply->messages(), *context);
  }
  if (canceller.joinable()) canceller.join();
  return script.End(gates_, *context);
}

absl::Status TestServiceImpl::ServerStream(ServerContext* context, const StreamRequest* request,
                                           sidecall::ServerWriter<EchoMessage>* writer) {
  const Inside inside;
  const StreamScript script = StreamScript::Of(*context);
  if (script.metadata_first) writer->SendInitialMetadata();
  if (!script.gate.empty() && !gates_.Pass(script.gate, *context)) return absl::CancelledError("at the gate");
  uint64_t written = 0;
  script.CancelAfter(0, *context);
  const auto write = [&](size_t size) {
    if (written >= script.end_after) return false;
    EchoMessage message;
    message.set_number(static_cast<int64_t>(written));
    if (size > 0) *message.mutable_payload() = RandomPayload(size, written);
    sidecall::WriteOptions options;
    if (request->hint()) options.set_buffer_hint();
    if (!writer->Write(message, options)) return false;
    written++;
    script.CancelAfter(written, *context);
    if (!request->name().empty()) {
      const std::lock_guard lock(written_mutex_);
      written_[request->name()] = written;
    }
    return true;
  };
  bool writes = true;
  for (const uint32_t size : request->sizes()) writes = writes && write(size);
  for (uint64_t i = 0; i < request->count() && writes; i++) writes = write(request->size());
  return script.End(gates_, *context);
}

absl::Status TestServiceImpl::BidirectionalStream(
    ServerContext* context, sidecall::ServerReaderWriter<EchoMessage, EchoMessage>* stream) {
  const Inside inside;
  const StreamScript script = StreamScript::Of(*context);
  if (script.metadata_first) stream->SendInitialMetadata();
  if (!script.gate.empty() && !gates_.Pass(script.gate, *context)) return absl::CancelledError("at the gate");
  uint64_t messages = 0;
  script.CancelAfter(0, *context);
  for (EchoMessage message; messages < script.end_after && stream->Read(&message);) {
    if (!stream->Write(message)) break;
    script.CancelAfter(++messages, *context);
  }
  return script.End(gates_, *context);
}

absl::Status TestServiceImpl::Progress(ServerContext*, const StreamRequest* request, StreamSummary* reply) {
  const std::lock_guard lock(written_mutex_);
  reply->set_messages(written_[request->name()]);
  return absl::OkStatus();
}

absl::Status TestServiceImpl::SleepNested(ServerContext* context, const SleepRequest* request,
                                          EchoMessage* reply) {
  const Inside inside;
  const auto nested = sidecall::ClientContext::FromServerContext(*context);
  return self_.Sleep(nested.get(), *request, reply);
}

absl::Status TestServiceImpl::Statistics(ServerContext*, const StatisticsRequest* request,
                                         StatisticsReply* reply) {
  *reply = StatisticsOf(sidecall::CallSide::kServer, request->method());
  return absl::OkStatus();
}

absl::Status TestServiceImpl::Trace(ServerContext* context, const TraceRequest* request, TraceReply* reply) {
  TraceReply beyond;
  if (request->depth() > 0) {
    TraceRequest next;
    next.set_depth(request->depth() - 1);
    const auto nested = sidecall::ClientContext::FromServerContext(*context);
    absl::Status status = self_.Trace(nested.get(), next, &beyond);
    if (!status.ok()) return status;
  }
  TraceReply::Hop* hop = reply->add_hops();
  hop->set_trace_parent(std::string(context->client_metadata().Find("traceparent").value_or("")));
  hop->set_trace_state(std::string(context->client_metadata().Find("tracestate").value_or("")));
  hop->set_urgent(context->priority() == sidecall::CallPriority::kUrgent);
  reply->mutable_hops()->MergeFrom(beyond.hops());
  return absl::OkStatus();
}

absl::Status TestServiceImpl::SetTraceHook(ServerContext*, const TraceHookRequest* request, EmptyMessage*) {
  sidecall::SetTraceHook(request->on() ? &RecordingHook::OfProcess() : nullptr);
  return absl::OkStatus();
}

absl::Status TestServiceImpl::Handlers(ServerContext*, const EmptyMessage*, HandlersReply* reply) {
  const std::lock_guard lock(Tally().mutex);
  reply->set_entered(Tally().entered);
  reply->set_left(Tally().left);
  reply->set_most_at_once(Tally().most_at_once);
  return absl::OkStatus();
}

absl::Status OtherTestServiceImpl::Echo(ServerContext*, const EchoMessage* request, EchoMessage* reply) {
  reply->set_number(-request->number());
  return absl::OkStatus();
}

namespace {

class OptionsServiceImpl final : public other::OptionsService::Service {
  absl::Status SurviveOrDie(sidecall::ServerContext*, const WhoReply* request, WhoReply* reply) override {
    if (request->pid() == getpid()) raise(SIGKILL);
    reply->set_pid(getpid());
    return absl::OkStatus();
  }
  absl::Status SurviveOrDieOnce(sidecall::ServerContext* context, const WhoReply* request,
                                WhoReply* reply) override {
    return SurviveOrDie(context, request, reply);
  }
  absl::Status WaitForEver(sidecall::ServerContext* context, const EmptyMessage*, EmptyMessage*) override {
    std::promise<void> cancelled;
    context->NotifyOnCancel([&] { cancelled.set_value(); });
    cancelled.get_future().wait();
    return absl::CancelledError();
  }
};

class TestServices final : public Services {
 public:
  TestServices(const std::string& own_address, Gates& gates) : service_(own_address, gates) {}
  void RegisterWith(sidecall::ServerBuilder& builder) override {
    builder.RegisterService(&service_).RegisterService(&other_service_).RegisterService(&options_service_);
  }

 private:
  TestServiceImpl service_;
  OtherTestServiceImpl other_service_;
  OptionsServiceImpl options_service_;
};

}  // namespace

std::unique_ptr<Services> MakeServices(const std::string& own_address, Gates& gates) {
  return std::make_unique<TestServices>(own_address, gates);
}

}  // namespace conformance
