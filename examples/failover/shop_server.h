// ShopServer: an instance of shop.Shop in a process of its own, which is this program, run again.
#ifndef SIDECALL_EXAMPLES_FAILOVER_SHOP_SERVER_H_
#define SIDECALL_EXAMPLES_FAILOVER_SHOP_SERVER_H_

#include <sys/types.h>

#include <csignal>
#include <string>
#include <utility>

#include "absl/status/status.h"

namespace shop {

// What the process does: serves, registered as the instance `name`, until SIGTERM, or its parent's death.
absl::Status Serve(const std::string& name);

class ShopServer {
 public:
  explicit ShopServer(std::string name) : name_(std::move(name)) {}
  ~ShopServer() { (void)End(SIGKILL); }
  ShopServer(const ShopServer&) = delete;
  ShopServer& operator=(const ShopServer&) = delete;

  const std::string& name() const { return name_; }
  // Runs it. Clients find it once it is registered.
  absl::Status Start();
  // Sends it `signal`, SIGTERM or SIGKILL, and waits for its end. ABORTED where it ended in another way.
  absl::Status End(int signal);

 private:
  const std::string name_;
  pid_t pid_ = -1;
};

}  // namespace shop

#endif  // SIDECALL_EXAMPLES_FAILOVER_SHOP_SERVER_H_
