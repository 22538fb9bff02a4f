// PluginServer: the server under test as a child of its client, over pipes: each channel starts one for
// itself (transports/exec), and all of them are ruled from here.
//
// The address names a socket of the test's. There the child learns what to serve with and which gates are
// open, before it greets its parent, and tells who comes to them. Where nobody listens there it ends, and
// there is no server.
#ifndef SIDECALL_TESTS_HARNESS_CALL_PLUGIN_H_
#define SIDECALL_TESTS_HARNESS_CALL_PLUGIN_H_

#include <sys/types.h>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "call_child.h"
#include "call_server.h"
#include "sidecall/server.h"
#include "transport/unique_fd.h"

namespace conformance {

// Such a child's, on the command line of a test executable; the socket's name follows.
inline constexpr char kPluginFlag[] = "--plugin-role";
int RunPluginRole(const std::string& socket);

class PluginServer final : public ServerUnderTest {
 public:
  // "exec:...", by which this executable serves a channel as long as there is a PluginServer of that name. It
  // is no file's.
  static std::string Address(const std::string& name);
  static bool ServesAt(const std::vector<std::string>& addresses);

  // `address` is one of the above.
  static absl::StatusOr<std::unique_ptr<PluginServer>> Start(const std::string& address,
                                                             const sidecall::ServerOptions& options);
  // Ends all children, and waits for that, within kPatience. The test fails where one does not end, or
  // neither with exit(0) nor killed: sanitizers speak that way.
  ~PluginServer() override;

  // Of the child that was started last. Waits for the first.
  pid_t pid() const override;
  void OpenGate(const std::string& gate) override;
  bool AwaitArrivals(const std::string& gate, int count) override;
  bool AwaitCancels(const std::string& gate, int count) override;
  void Kill() override;
  // There are no more children after that.
  void BeginShutdown(absl::Duration grace) override;
  bool AwaitShutdown() override;

 private:
  struct Visits {
    int arrivals = 0;
    int cancels = 0;
  };
  struct Plugin {
    pid_t pid = 0;
    sidecall::UniqueFd process;
    std::unique_ptr<LineSocket> lines;
    std::map<std::string, Visits> gates;
    bool shut_down = false;
    bool gone = false;
  };

  PluginServer(sidecall::UniqueFd listener, sidecall::UniqueFd bell, const sidecall::ServerOptions& options);
  void Run();
  void StopListening();
  void Admit();
  void Hear(Plugin& plugin);
  void Tell(const std::string& line);
  void ExpectEnd(const Plugin& plugin) const;
  // In all children together.
  bool AwaitVisits(const std::string& gate, int Visits::*which, int count);

  const sidecall::UniqueFd bell_;  // an eventfd, for the thread: shuts_down_ or ends_ has been set
  const std::string options_;
  mutable std::mutex mutex_;
  sidecall::UniqueFd listener_;  // not valid: there are no more children
  bool shuts_down_ = false;      // the listener is to be closed
  bool ends_ = false;            // the thread is to return
  mutable std::condition_variable changed_;
  std::vector<std::unique_ptr<Plugin>> plugins_;
  std::vector<std::string> open_;
  std::thread thread_;
};

}  // namespace conformance

#endif  // SIDECALL_TESTS_HARNESS_CALL_PLUGIN_H_
