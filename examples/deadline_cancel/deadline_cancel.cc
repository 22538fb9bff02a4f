// deadline_cancel: calls that end before their handler is done: by a deadline, by a cancel, and both through
// a second server.
#include <CLI/CLI.hpp>
#include <future>
#include <iostream>
#include <memory>
#include <string>
#include <thread>

#include "sidecall/sidecall.h"
#include "work.sidecall.h"

namespace work {
namespace {

class WorkerImpl final : public Worker::Service {
 public:
  explicit WorkerImpl(const std::string& other_address) : other_(sidecall::CreateChannel(other_address)) {}
  // Known once a handler runs, and once one has seen that nobody waits for it.
  std::promise<void>& started() { return started_; }
  std::promise<void>& cancelled() { return cancelled_; }

 private:
  absl::Status Run(sidecall::ServerContext* context, const Task*, Result*) override {
    started_.set_value();
    // A handler that takes long looks now and then.
    while (!context->IsCancelled()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    cancelled_.set_value();
    return absl::CancelledError("nobody waits for this any more");
  }

  // The deadline goes along, and so does a cancel.
  absl::Status Delegate(sidecall::ServerContext* context, const Task* request, Result* reply) override {
    const auto nested = sidecall::ClientContext::FromServerContext(*context);
    return other_.Run(nested.get(), *request, reply);
  }

  Worker::Stub other_;
  std::promise<void> started_;
  std::promise<void> cancelled_;
};

using Call = absl::Status (Worker::Stub::*)(sidecall::ClientContext*, const Task&, Result*) const;

absl::Status Show(const std::string& address, bool delegate, bool by_deadline) {
  const std::string front = address + (delegate ? "-front" : "");
  WorkerImpl worker(address);
  WorkerImpl delegator(address);
  auto server = sidecall::ServerBuilder().AddAddress(address).RegisterService(&worker).BuildAndStart();
  if (!server.ok()) return server.status();
  std::unique_ptr<sidecall::Server> front_server;
  if (delegate) {
    auto second = sidecall::ServerBuilder().AddAddress(front).RegisterService(&delegator).BuildAndStart();
    if (!second.ok()) return second.status();
    front_server = *std::move(second);
  }
  const Worker::Stub stub(sidecall::CreateChannel(front));
  const Call call =
      delegate ? static_cast<Call>(&Worker::Stub::Delegate) : static_cast<Call>(&Worker::Stub::Run);

  sidecall::ClientContext context;
  if (by_deadline) context.set_timeout(absl::Milliseconds(50));
  std::thread canceller([&] {
    worker.started().get_future().wait();
    if (!by_deadline) context.TryCancel();
  });
  Result result;
  const absl::Status status = (stub.*call)(&context, Task(), &result);
  canceller.join();
  worker.cancelled().get_future().wait();
  std::cout << (delegate ? "delegated, " : "") << (by_deadline ? "deadline: " : "cancel: ")
            << absl::StatusCodeToString(status.code()) << ", and the handler knows" << std::endl;
  return absl::OkStatus();
}

absl::Status Run(const std::string& address) {
  for (const bool delegate : {false, true}) {
    for (const bool by_deadline : {true, false}) {
      if (absl::Status status = Show(address, delegate, by_deadline); !status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace work

int main(int argc, char** argv) {
  CLI::App app("Shows how calls end before their handlers do.");
  std::string address = "inproc:work";
  app.add_option("--address", address, "Where to serve, and to call")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  const absl::Status status = work::Run(address);
  if (status.ok()) return 0;
  std::cerr << "deadline_cancel: " << status << std::endl;
  return 1;
}
