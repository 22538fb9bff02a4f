#include "call_test_service.h"

#include <unistd.h>

#include <stdexcept>

#include "absl/strings/match.h"
#include "call_patience.h"
#include "call_payload.h"

namespace conformance {

using sidecall::ServerContext;

TestServiceImpl::TestServiceImpl(const std::string& own_address, Gates& gates)
    : gates_(gates), self_(sidecall::CreateChannel(own_address)) {}

absl::Status TestServiceImpl::Empty(ServerContext*, const EmptyMessage*, EmptyMessage*) {
  return absl::OkStatus();
}

absl::Status TestServiceImpl::Echo(ServerContext*, const EchoMessage* request, EchoMessage* reply) {
  *reply = *request;
  return absl::OkStatus();
}

absl::Status TestServiceImpl::Fail(ServerContext* context, const FailRequest* request, EchoMessage* reply) {
  for (const auto& [key, value] : context->client_metadata()) context->AddTrailingMetadata(key, value);
  reply->set_payload("a reply that must not arrive beside an error");
  const auto code = static_cast<absl::StatusCode>(request->code());
  if (request->details().empty()) return {code, request->message()};
  return sidecall::StatusWithDetails(code, request->message(), request->details());
}

absl::Status TestServiceImpl::EchoMetadata(ServerContext* context, const FailRequest* request,
                                           MetadataReply* reply) {
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

absl::Status TestServiceImpl::Sleep(ServerContext* context, const SleepRequest* request, EchoMessage*) {
  if (gates_.Pass(request->gate(), *context)) return absl::OkStatus();
  return absl::CancelledError("nobody waits for this reply");
}

absl::Status TestServiceImpl::PeerIdentity(ServerContext* context, const EmptyMessage*,
                                           IdentityReply* reply) {
  const sidecall::PeerIdentity& peer = context->peer();
  reply->set_uid(peer.uid.has_value() ? int64_t{*peer.uid} : -1);
  reply->set_gid(peer.gid.has_value() ? int64_t{*peer.gid} : -1);
  reply->set_pid(peer.pid.has_value() ? int64_t{*peer.pid} : -1);
  return absl::OkStatus();
}

absl::Status TestServiceImpl::CallSelf(ServerContext*, const CallSelfRequest* request, EchoMessage* reply) {
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
  const TestService::Stub nobody(sidecall::CreateChannel("inproc:nobody listens here"));
  PatientContext context;
  return nobody.Empty(&context, *request, reply);
}

absl::Status TestServiceImpl::Throw(ServerContext*, const ThrowRequest* request, EmptyMessage*) {
  if (request->standard()) throw std::runtime_error(request->what());
  throw 42;
}

absl::Status TestServiceImpl::TakeLarge(ServerContext*, const EchoMessage* request, LargeReply* reply) {
  reply->set_size(request->payload().size());
  reply->set_checksum(Checksum(request->payload()));
  return absl::OkStatus();
}

absl::Status TestServiceImpl::ReturnLarge(ServerContext* context, const LargeRequest* request,
                                          EchoMessage* reply) {
  if (request->initial_metadata()) context->AddInitialMetadata("initial", "there");
  if (request->trailing_metadata()) context->AddTrailingMetadata("trailing", "there");
  *reply->mutable_payload() = RandomPayload(request->size(), request->seed());
  return absl::OkStatus();
}

absl::Status TestServiceImpl::WhoServes(ServerContext*, const EmptyMessage*, WhoReply* reply) {
  reply->set_pid(getpid());
  reply->set_thread(gettid());
  return absl::OkStatus();
}

absl::Status TestServiceImpl::TellDeadline(ServerContext* context, const EmptyMessage*,
                                           DeadlineReply* reply) {
  reply->set_has_deadline(context->deadline() != absl::InfiniteFuture());
  if (reply->has_deadline()) {
    reply->set_left_nanos(absl::ToInt64Nanoseconds(context->deadline() - absl::Now()));
  }
  return absl::OkStatus();
}

absl::Status OtherTestServiceImpl::Echo(ServerContext*, const EchoMessage* request, EchoMessage* reply) {
  reply->set_number(-request->number());
  return absl::OkStatus();
}

}  // namespace conformance
