// ServerCore: what a Server is made of: its methods and the loop that serves them.
#ifndef SIDECALL_CORE_SERVER_CORE_H_
#define SIDECALL_CORE_SERVER_CORE_H_

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/access.h"
#include "core/config_file.h"
#include "core/dispatcher.h"
#include "core/fork_guard.h"
#include "core/frame_codec.h"
#include "core/publication.h"
#include "core/reflection.h"
#include "core/serve_loop.h"
#include "registry/own_registration.h"
#include "sidecall/internal/parse_message.h"
#include "sidecall/server.h"
#include "transport/clock.h"

namespace sidecall::internal {

// What a builder was told.
struct ServerPlan {
  const std::vector<std::string>& addresses;
  const std::vector<Service*>& services;
  const ServerOptions& options;
  const std::optional<PublishOptions>& publish;  // how to register; none: only a server without addresses is
  const AccessRules::ByName& access;
};

class ServerCore {
 public:
  static absl::StatusOr<std::unique_ptr<ServerCore>> Start(const ServerPlan& plan);

  ~ServerCore();

  // In a handler: has another thread do it.
  void Shutdown(absl::Duration grace);
  void Wait();
  const std::vector<std::string>& addresses() const { return addresses_; }
  bool forked() const { return fork_guard_.forked(); }

 private:
  explicit ServerCore(const ServerPlan& plan) : options_(plan.options), access_(plan.access, dispatcher_) {
    // No message can be larger, and sums with it must not wrap round.
    options_.max_receive_message_bytes =
        std::min<size_t>(options_.max_receive_message_bytes, internal::kMostMessageBytes);
    options_.max_connection_bytes =
        std::max(options_.max_connection_bytes, options_.max_receive_message_bytes + kMaxHeadBytes);
  }

  absl::Status AddServices(const std::vector<Service*>& services);
  absl::Status Listen(const std::string& address);
  // Opens what is registered to others, where any rule may let them in.
  absl::Status GuardAsSaid(const Config& config);
  absl::Status OnConfigChange(const Config& config);
  // At the address whose file in the registry's directory is `socket`.
  absl::Status ListenAnew(const std::string& socket, mode_t mode);
  void ShutdownAndWait(int64_t deadline_nanos);

  std::vector<std::string> addresses_;  // that it listens at
  ServerOptions options_;
  const ForkGuard fork_guard_;
  std::unique_ptr<ReflectionService> reflection_;  // null where the server has none
  Dispatcher dispatcher_;
  AccessRules access_;
  std::unique_ptr<ServeLoop> loop_;
  SocketsPlace sockets_place_;                     // of the listeners, where they are the server's choice
  std::atomic<bool> open_to_others_{false};        // those
  std::unique_ptr<OwnRegistration> registration_;  // null where it is not registered

  std::mutex mutex_;
  std::condition_variable shut_down_cv_;
  bool shut_down_ = false;
  std::vector<std::thread> handlers_shutdowns_;       // that handlers asked for, each with less grace
  int64_t handlers_deadline_ = kInfiniteFutureNanos;  // of the last of them
  std::atomic<bool> shutting_down_{false};

  std::optional<ConfigFile::Subscription> config_changes_;  // last: uses the above
};

}  // namespace sidecall::internal

#endif  // SIDECALL_CORE_SERVER_CORE_H_
