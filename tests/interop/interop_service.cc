#include "interop_service.h"

#include <algorithm>
#include <thread>
#include <vector>

#include "call_child.h"
#include "call_payload.h"
#include "call_server.h"
#include "call_services.h"

namespace sidecall_interop {

using sidecall::ServerContext;

namespace {

void EchoMetadata(ServerContext& context) {
  for (const auto& [key, value] : context.client_metadata()) {
    if (key == kEchoInitial) context.AddInitialMetadata(key, value);
    if (key == kEchoTrailing) context.AddTrailingMetadata(key, value);
  }
}

absl::Status StatusOf(const EchoStatus& wanted) {
  return {static_cast<absl::StatusCode>(wanted.code()), wanted.message()};
}

// Waits for `interval`. False where nobody waits for the response any more.
bool Pause(const ServerContext& context, std::chrono::microseconds interval) {
  constexpr std::chrono::microseconds kLook{1000};
  const auto end = std::chrono::steady_clock::now() + interval;
  while (!context.IsCancelled()) {
    const auto left = end - std::chrono::steady_clock::now();
    if (left <= left.zero()) return true;
    std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(left, kLook));
  }
  return false;
}

// Answers `request` through anything that writes responses. False where nobody waits for them any more.
template <typename Writer>
bool Answer(const ServerContext& context, const StreamingOutputCallRequest& request, Writer& writer) {
  return std::all_of(
      request.response_parameters().begin(), request.response_parameters().end(),
      [&](const ResponseParameters& wanted) {
        if (wanted.interval_us() > 0 && !Pause(context, std::chrono::microseconds(wanted.interval_us()))) {
          return false;
        }
        StreamingOutputCallResponse response;
        *response.mutable_payload() = PayloadOf(static_cast<size_t>(wanted.size()));
        return writer.Write(response);
      });
}

const absl::Status& NobodyWaits() {
  static const absl::Status status = absl::CancelledError("nobody waits for the responses");
  return status;
}

}  // namespace

Payload PayloadOf(size_t size) {
  Payload payload;
  *payload.mutable_body() = conformance::RandomPayload(size, size);
  return payload;
}

absl::Status TestServiceImpl::EmptyCall(ServerContext*, const Empty*, Empty*) {
  return absl::OkStatus();
}

absl::Status TestServiceImpl::UnaryCall(ServerContext* context, const SimpleRequest* request,
                                        SimpleResponse* response) {
  EchoMetadata(*context);
  if (request->response_status().code() != 0) return StatusOf(request->response_status());
  if (request->payload().body() != PayloadOf(request->payload().body().size()).body()) {
    return absl::DataLossError("the request's payload came as other bytes");
  }
  *response->mutable_payload() = PayloadOf(static_cast<size_t>(request->response_size()));
  return absl::OkStatus();
}

absl::Status TestServiceImpl::StreamingOutputCall(ServerContext* context,
                                                  const StreamingOutputCallRequest* request,
                                                  ResponseWriter* writer) {
  return Answer(*context, *request, *writer) ? absl::OkStatus() : NobodyWaits();
}

absl::Status TestServiceImpl::StreamingInputCall(ServerContext*, RequestReader* reader,
                                                 StreamingInputCallResponse* response) {
  int32_t size = 0;
  for (StreamingInputCallRequest request; reader->Read(&request);) {
    size += static_cast<int32_t>(request.payload().body().size());
  }
  response->set_aggregated_payload_size(size);
  return absl::OkStatus();
}

absl::Status TestServiceImpl::FullDuplexCall(ServerContext* context, Duplex* stream) {
  EchoMetadata(*context);
  for (StreamingOutputCallRequest request; stream->Read(&request);) {
    if (request.response_status().code() != 0) return StatusOf(request.response_status());
    if (!Answer(*context, request, *stream)) return NobodyWaits();
  }
  return absl::OkStatus();
}

absl::Status TestServiceImpl::HalfDuplexCall(ServerContext* context, Duplex* stream) {
  std::vector<StreamingOutputCallRequest> requests;
  for (StreamingOutputCallRequest request; stream->Read(&request);) requests.push_back(request);
  const bool answered = std::all_of(requests.begin(), requests.end(),
                                    [&](const auto& request) { return Answer(*context, request, *stream); });
  return answered ? absl::OkStatus() : NobodyWaits();
}

}  // namespace sidecall_interop

// -- What the harness asks of a suite
// -----------------------------------------------------------------------------------------------------

namespace conformance {
namespace {

class InteropServices final : public Services {
 public:
  void RegisterWith(sidecall::ServerBuilder& builder) override { builder.RegisterService(&service_); }

 private:
  sidecall_interop::TestServiceImpl service_;
};

}  // namespace

std::unique_ptr<Services> MakeServices(const std::string&, Gates&) {
  return std::make_unique<InteropServices>();
}

int RunChildRole(const std::vector<std::string>& arguments, LineSocket& test) {
  return RunServerRole(arguments, test);
}

}  // namespace conformance
