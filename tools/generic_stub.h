// GenericStub: calls methods that are known only when the program runs.
//
//   GenericStub stub(channel);
//   absl::Status status = stub.CallUnary("hello.Greeter/SayHello", {}, context, *request, *reply);
//
// Thread-safety: any thread.
#ifndef SIDECALL_TOOLS_GENERIC_STUB_H_
#define SIDECALL_TOOLS_GENERIC_STUB_H_

#include <google/protobuf/message_lite.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "sidecall/channel.h"
#include "sidecall/client_context.h"
#include "sidecall/internal/method.h"

namespace sidecall::tools {

class GenericStub {
 public:
  explicit GenericStub(std::shared_ptr<Channel> channel) : channel_(std::move(channel)) {}

  // `method` is "package.Service/Method", `traits` what its .proto says of it.
  absl::Status CallUnary(const std::string& method, const internal::MethodTraits& traits,
                         ClientContext& context, const google::protobuf::MessageLite& request,
                         google::protobuf::MessageLite& reply) const;

  // Calls a method that a server does not have, to hear what it has instead: UNIMPLEMENTED. Where another
  // server of the channel has it, INVALID_ARGUMENT: no message has the bytes that are sent. Only a handler
  // that takes a stream would run, and find it empty.
  absl::Status CallInVain(const std::string& method, ClientContext& context) const;

 private:
  std::shared_ptr<Channel> channel_;
};

}  // namespace sidecall::tools

#endif  // SIDECALL_TOOLS_GENERIC_STUB_H_
