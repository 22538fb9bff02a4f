// demo: the same service over every transport: what it replies, and how long a call takes. Leaves nothing
// behind.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "demo/child_server.h"
#include "hello/greeter.h"
#include "hello/median_latency.h"
#include "sidecall/child_address.h"
#include "sidecall/sidecall.h"

namespace demo {
namespace {

// A directory of this process's own, removed with all that is in it.
class ScratchDirectory {
 public:
  ScratchDirectory() : path_(std::filesystem::temp_directory_path() / "sidecall-demo-XXXXXX") {
    made_ = mkdtemp(path_.data()) != nullptr;
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    if (made_) std::filesystem::remove_all(path_, ignored);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  bool made() const { return made_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  bool made_ = false;
};

template <typename Address, typename Reply, typename Latency>
void PrintRow(const Address& address, const Reply& reply, const Latency& latency) {
  std::cout << absl::StreamFormat("%-44s  %-12s  %10s", address, reply, latency) << std::endl;
}

// Calls the server at `address`, and prints a row of the table.
absl::Status Call(const std::string& address, int calls) {
  std::shared_ptr<sidecall::Channel> channel = sidecall::CreateChannel(address);
  hello::Greeter::Stub stub(channel);
  hello::HelloRequest request;
  request.set_name("Ada");
  hello::HelloReply reply;
  sidecall::ClientContext context;
  context.set_timeout(absl::Seconds(10));
  absl::Status status = stub.SayHello(&context, request, &reply);
  if (!status.ok()) return status;
  absl::StatusOr<absl::Duration> median = hello::MedianLatency(stub, request, calls);
  if (!median.ok()) return median.status();
  PrintRow(address, reply.message(), hello::InMicroseconds(*median));
  return absl::OkStatus();
}

absl::Status CallOtherProcess(const std::string& program, const std::string& address, int calls) {
  absl::StatusOr<std::unique_ptr<ChildServer>> server = ChildServer::Start(program, address);
  if (!server.ok()) return server.status();
  absl::Status status = Call(address, calls);
  status.Update((*server)->Stop());
  return status;
}

absl::Status CallSameProcess(const std::string& address, int calls) {
  hello::GreeterImpl greeter;
  absl::StatusOr<std::unique_ptr<sidecall::Server>> server =
      sidecall::ServerBuilder().AddAddress(address).RegisterService(&greeter).BuildAndStart();
  if (!server.ok()) return server.status();
  return Call(address, calls);
}

// What this program does as a child of itself: serves its parent, until that hangs up.
absl::Status ServeParent() {
  absl::StatusOr<std::string> parent = sidecall::ParentAddress();
  if (!parent.ok()) return parent.status();
  hello::GreeterImpl greeter;
  absl::StatusOr<std::unique_ptr<sidecall::Server>> server =
      sidecall::ServerBuilder().AddAddress(*parent).RegisterService(&greeter).BuildAndStart();
  if (!server.ok()) return server.status();
  sidecall::WaitForParent();
  return absl::OkStatus();
}

absl::Status Run(int calls) {
  // Seen between two transports rather than at once, so that the directory and the child are always cleaned
  // up.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  const auto interrupted = [&signals] {
    const timespec at_once{};
    return sigtimedwait(&signals, nullptr, &at_once) > 0;
  };

  const ScratchDirectory scratch;
  if (!scratch.made()) return absl::InternalError(absl::StrCat("cannot make a directory ", scratch.path()));
  const std::string program =
      std::filesystem::read_symlink("/proc/self/exe").replace_filename("hello_server");
  const std::string name = std::filesystem::path(scratch.path()).filename();

  PrintRow("address", "reply", "median");
  // Other processes first: they are forked while this one has no threads.
  for (const std::string& address :
       {"unix:" + scratch.path() + "/unix", "unix-abstract:" + name, "shm:" + scratch.path() + "/shm",
        "pipe:" + scratch.path() + "/pipe", "mqueue:/" + name}) {
    absl::Status status = CallOtherProcess(program, address, calls);
    if (interrupted()) return absl::CancelledError("interrupted");
    if (!status.ok()) return absl::Status(status.code(), absl::StrCat(address, ": ", status.message()));
  }
  // A child of this process's own, which is found where this program is.
  const char* path = std::getenv("PATH");
  const std::string folder = std::filesystem::path(program).parent_path();
  setenv("PATH", absl::StrCat(folder, ":", path != nullptr ? path : "").c_str(), 1);
  const absl::Status status = Call("exec:sidecall_demo --child", calls);
  if (!status.ok()) return absl::Status(status.code(), absl::StrCat("a child: ", status.message()));
  return CallSameProcess("inproc:" + name, calls);
}

}  // namespace
}  // namespace demo

int main(int argc, char** argv) {
  CLI::App app("Calls one service over every transport, and prints the median latency of each.");
  int calls = 2000;
  app.add_option("--calls", calls, "Calls per transport")
      ->capture_default_str()
      ->check(CLI::Range(1, 10000000));
  bool child = false;
  app.add_flag("--child", child, "Serve the process that has started this one");
  CLI11_PARSE(app, argc, argv);

  const absl::Status status = child ? demo::ServeParent() : demo::Run(calls);
  if (status.ok()) return 0;
  std::cerr << "demo: " << status.ToString(absl::StatusToStringMode::kWithNoExtraData) << std::endl;
  return 1;
}
