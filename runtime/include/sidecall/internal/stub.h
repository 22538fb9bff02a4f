// What generated stubs call.
#ifndef SIDECALL_INTERNAL_STUB_H_
#define SIDECALL_INTERNAL_STUB_H_

#include <memory>

#include "absl/status/statusor.h"
#include "sidecall/burst.h"
#include "sidecall/channel.h"
#include "sidecall/client_context.h"
#include "sidecall/internal/call_defaults.h"
#include "sidecall/internal/message.h"
#include "sidecall/internal/method.h"
#include "sidecall/pending_call.h"

namespace sidecall::internal {

inline absl::Status CallUnary(const Channel& channel, const Method& method, ClientContext* context,
                              const google::protobuf::MessageLite& request,
                              google::protobuf::MessageLite* reply) {
  ProtobufTarget target(*reply);
  return channel.engine().RunUnary(method, WithDefaults(method, *context), ProtobufSource(request), target);
}

// `burst`: what the call may leave with, or null.
inline PendingCall StartUnary(const std::shared_ptr<Channel>& channel, Burst* burst, const Method& method,
                              ClientContext* context, const google::protobuf::MessageLite& request,
                              google::protobuf::MessageLite* reply) {
  if (burst != nullptr) burst->Add(channel);
  return {channel,
          channel->engine().StartUnary(method, WithDefaults(method, *context), ProtobufSource(request),
                                       *reply, /*may_wait=*/burst != nullptr)};
}

template <typename Reply>
absl::StatusOr<Reply> CallUnary(const Channel& channel, const Method& method,
                                const google::protobuf::MessageLite& request) {
  ClientContext context;
  Reply reply;
  absl::Status status = CallUnary(channel, method, &context, request, &reply);
  if (!status.ok()) return status;
  return reply;
}

}  // namespace sidecall::internal

#endif  // SIDECALL_INTERNAL_STUB_H_
