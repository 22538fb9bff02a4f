// ServerUnderTest: a server with the services of a suite (call_services.h), in this process or in another,
// ruled the same way in both.
#ifndef SIDECALL_TESTS_HARNESS_CALL_SERVER_H_
#define SIDECALL_TESTS_HARNESS_CALL_SERVER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "call_child.h"
#include "sidecall/server.h"

namespace conformance {

enum class Place { kSameProcess, kOtherProcess };

class ServerUnderTest {
 public:
  // Serves at `addresses`; the services are told the first of them. None: where the registry finds it.
  static absl::StatusOr<std::unique_ptr<ServerUnderTest>> Start(Place place,
                                                                const std::vector<std::string>& addresses,
                                                                const sidecall::ServerOptions& options);
  virtual ~ServerUnderTest() = default;

  virtual pid_t pid() const = 0;

  // -- Its gates (call_gates.h) -----------------------------------------------------------------------------
  virtual void OpenGate(const std::string& gate) = 0;
  virtual bool AwaitArrivals(const std::string& gate, int count) = 0;
  virtual bool AwaitCancels(const std::string& gate, int count) = 0;

  // -- Whatever else its role understands -------------------------------------------------------------------
  // Sends a line, and gives the answer. "" where the server is in this process.
  virtual std::string Ask(const std::string& /*line*/) { return ""; }

  // -- Its end ----------------------------------------------------------------------------------------------
  // SIGKILL. REQUIRES: it is in another process.
  virtual void Kill() = 0;
  // Begins Server::Shutdown(grace) on a thread of the server's process.
  virtual void BeginShutdown(absl::Duration grace) = 0;
  // Waits until it has returned. False after kPatience.
  virtual bool AwaitShutdown() = 0;
};

// As a word of a command line or a message, for a server in another process; and back.
std::string ToWord(const sidecall::ServerOptions& options);
sidecall::ServerOptions OptionsFrom(const std::string& word);

// Answers a line that the role itself does not understand. "": nor does this.
using MoreVerbs = std::string (*)(const std::string& line);
// The role of a server in another process.
int RunServerRole(const std::vector<std::string>& arguments, LineSocket& test, MoreVerbs more = nullptr);

}  // namespace conformance

#endif  // SIDECALL_TESTS_HARNESS_CALL_SERVER_H_
