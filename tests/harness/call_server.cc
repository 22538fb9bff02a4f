#include "call_server.h"

#include <cstdio>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "call_local_server.h"
#include "call_plugin.h"

namespace conformance {
namespace {

constexpr char kYes[] = "yes";
constexpr char kReady[] = "ready";

std::string YesOrNo(bool yes) {
  return yes ? kYes : "no";
}

// The server in another process: each call here is a line there.
class RemoteServer final : public ServerUnderTest {
 public:
  explicit RemoteServer(std::unique_ptr<Child> child) : child_(std::move(child)) {}

  pid_t pid() const override { return child_->pid(); }
  void OpenGate(const std::string& gate) override { child_->Ask("open " + gate); }
  bool AwaitArrivals(const std::string& gate, int count) override {
    return child_->Ask(absl::StrCat("arrivals ", gate, " ", count)) == kYes;
  }
  bool AwaitCancels(const std::string& gate, int count) override {
    return child_->Ask(absl::StrCat("cancels ", gate, " ", count)) == kYes;
  }
  std::string Ask(const std::string& line) override { return child_->Ask(line); }
  void Kill() override { child_->Kill(); }
  void BeginShutdown(absl::Duration grace) override {
    child_->Ask(absl::StrCat("shutdown ", absl::ToInt64Milliseconds(grace)));
  }
  bool AwaitShutdown() override { return child_->Ask("await-shutdown") == kYes; }

 private:
  std::unique_ptr<Child> child_;
};

absl::StatusOr<std::unique_ptr<ServerUnderTest>> StartRemote(const std::vector<std::string>& addresses,
                                                             const sidecall::ServerOptions& options) {
  std::vector<std::string> arguments = {"serve", ToWord(options)};
  arguments.insert(arguments.end(), addresses.begin(), addresses.end());
  auto child = Child::Start(arguments);
  if (child == nullptr) return absl::InternalError("the server's process did not start");
  const std::string said = child->Receive();
  if (said != kReady) return absl::InternalError("the server's process said: " + said);
  return std::make_unique<RemoteServer>(std::move(child));
}

std::string Obey(LocalServer& server, const std::string& line) {
  std::istringstream words(line);
  std::string verb;
  words >> verb;
  if (verb == "shutdown") {
    int64_t milliseconds = 0;
    words >> milliseconds;
    server.BeginShutdown(milliseconds == INT64_MAX ? absl::InfiniteDuration()
                                                   : absl::Milliseconds(milliseconds));
    return kYes;
  }
  if (verb == "await-shutdown") return YesOrNo(server.AwaitShutdown());
  std::string gate;
  int count = 0;
  words >> gate;
  if (verb == "open") {
    server.OpenGate(gate);
    return kYes;
  }
  words >> count;
  if (words.fail()) return "not understood: " + line;
  if (verb == "arrivals") return YesOrNo(server.AwaitArrivals(gate, count));
  return YesOrNo(server.AwaitCancels(gate, count));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ServerUnderTest>> ServerUnderTest::Start(
    Place place, const std::vector<std::string>& addresses, const sidecall::ServerOptions& options) {
  if (PluginServer::ServesAt(addresses)) return PluginServer::Start(addresses.front(), options);
  if (place == Place::kOtherProcess) return StartRemote(addresses, options);
  return LocalServer::Start(addresses, options);
}

std::string ToWord(const sidecall::ServerOptions& options) {
  return absl::StrCat(options.max_receive_message_bytes, ",", options.max_calls_per_connection, ",",
                      options.max_handler_threads, ",", options.max_calls, ",", options.max_connection_bytes);
}

sidecall::ServerOptions OptionsFrom(const std::string& word) {
  const std::vector<std::string> numbers = absl::StrSplit(word, ',');
  sidecall::ServerOptions options;
  options.max_receive_message_bytes = std::stoull(numbers.at(0));
  options.max_calls_per_connection = std::stoull(numbers.at(1));
  options.max_handler_threads = std::stoull(numbers.at(2));
  options.max_calls = std::stoull(numbers.at(3));
  options.max_connection_bytes = std::stoull(numbers.at(4));
  return options;
}

int RunServerRole(const std::vector<std::string>& arguments, LineSocket& test, MoreVerbs more) {
  const sidecall::ServerOptions options = OptionsFrom(arguments.at(1));
  const std::vector<std::string> addresses(arguments.begin() + 2, arguments.end());
  auto server = LocalServer::Start(addresses, options);
  if (!server.ok()) {
    test.Send(server.status().ToString());
    return 1;
  }
  test.Send(kReady);
  for (std::string line = test.Receive(); !line.empty(); line = test.Receive()) {
    if (line == "restart") {
      server->reset();
      server = LocalServer::Start(addresses, options);
      test.Send(server.ok() ? kYes : server.status().ToString());
      if (!server.ok()) return 1;
      continue;
    }
    const std::string answer = more != nullptr ? more(line) : "";
    test.Send(answer.empty() ? Obey(**server, line) : answer);
  }
  return 0;
}

}  // namespace conformance
