// hello_client: says hello to hello_server, and tells how long it took where asked to.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <string>

#include "hello.sidecall.h"
#include "hello/median_latency.h"
#include "sidecall/sidecall.h"

namespace {

absl::Status SayHello(const std::string& target, const std::string& name, int calls) {
  std::shared_ptr<sidecall::Channel> channel = sidecall::CreateChannel(target);
  hello::Greeter::Stub stub(channel);

  hello::HelloRequest request;
  request.set_name(name);
  hello::HelloReply reply;
  sidecall::ClientContext context;
  context.set_timeout(absl::Seconds(5));
  absl::Status status = stub.SayHello(&context, request, &reply);
  if (!status.ok()) return status;
  std::cout << reply.message() << std::endl;

  if (calls > 0) {
    absl::StatusOr<absl::Duration> median = hello::MedianLatency(stub, request, calls);
    if (!median.ok()) return median.status();
    std::cout << calls << " calls, median " << hello::InMicroseconds(*median) << std::endl;
  }
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Says hello to hello_server.");
  std::string target = "sidecall:hello.Greeter";
  std::string name = "Ada";
  int calls = 0;
  app.add_option("--address", target,
                 "Where the server listens, as unix:/path or shm:/path; else it is found by name")
      ->capture_default_str();
  app.add_option("--name", name, "Whom to greet")->capture_default_str();
  app.add_option("--calls", calls, "Measure the median latency of so many calls")
      ->check(CLI::Range(1, 10000000));
  CLI11_PARSE(app, argc, argv);

  const absl::Status status = SayHello(target, name, calls);
  if (status.ok()) return 0;
  std::cerr << "hello_client: " << status.ToString(absl::StatusToStringMode::kWithNoExtraData) << std::endl;
  return 1;
}
