// LocalServer: the server under test that lives in this process.
#ifndef SIDECALL_TESTS_HARNESS_CALL_LOCAL_SERVER_H_
#define SIDECALL_TESTS_HARNESS_CALL_LOCAL_SERVER_H_

#include <cstdlib>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "call_gates.h"
#include "call_server.h"
#include "call_services.h"

namespace conformance {

class LocalServer final : public ServerUnderTest {
 public:
  // `observer` is its gates'.
  static absl::StatusOr<std::unique_ptr<LocalServer>> Start(const std::vector<std::string>& addresses,
                                                            const sidecall::ServerOptions& options,
                                                            Gates::Observer observer = nullptr);
  ~LocalServer() override;

  pid_t pid() const override;
  void OpenGate(const std::string& gate) override { gates_.Open(gate); }
  bool AwaitArrivals(const std::string& gate, int count) override {
    return gates_.AwaitArrivals(gate, count);
  }
  bool AwaitCancels(const std::string& gate, int count) override { return gates_.AwaitCancels(gate, count); }
  void Kill() override { std::abort(); }
  void BeginShutdown(absl::Duration grace) override;
  bool AwaitShutdown() override;

 private:
  explicit LocalServer(const std::string& address) : services_(MakeServices(address, gates_)) {}

  Gates gates_;
  std::unique_ptr<Services> services_;
  std::unique_ptr<sidecall::Server> server_;
  std::future<void> shutdown_;
};

}  // namespace conformance

#endif  // SIDECALL_TESTS_HARNESS_CALL_LOCAL_SERVER_H_
