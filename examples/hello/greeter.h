// GreeterImpl: the service of this example, shared by hello_server and the demo.
#ifndef SIDECALL_EXAMPLES_HELLO_GREETER_H_
#define SIDECALL_EXAMPLES_HELLO_GREETER_H_

#include "hello.sidecall.h"

namespace hello {

class GreeterImpl final : public Greeter::Service {
  absl::Status SayHello(sidecall::ServerContext*, const HelloRequest* request, HelloReply* reply) override {
    reply->set_message("Hello, " + request->name() + "!");
    return absl::OkStatus();
  }
};

}  // namespace hello

#endif  // SIDECALL_EXAMPLES_HELLO_GREETER_H_
