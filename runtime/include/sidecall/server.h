// Server and ServerBuilder: a process's services, offered at one or more addresses.
//
//   GreeterImpl greeter;
//   absl::StatusOr<std::unique_ptr<sidecall::Server>> server =
//       sidecall::ServerBuilder().AddAddress("shm:/run/hello").RegisterService(&greeter).BuildAndStart();
//   if (!server.ok()) return server.status();
//   (*server)->Wait();
//
// Thread-safety: a builder is used by one thread; a server by any.
#ifndef SIDECALL_SERVER_H_
#define SIDECALL_SERVER_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "sidecall/polling.h"
#include "sidecall/service.h"

namespace sidecall {

namespace internal {
class ServerCore;
}  // namespace internal

struct ServerOptions {
  // A larger request fails its call with RESOURCE_EXHAUSTED before memory is set aside for it.
  size_t max_receive_message_bytes = 4u << 20;
  // Calls that one connection may have open, handlers still running after a cancel included.
  size_t max_calls_per_connection = 1024;
  // The same over all connections. Beyond it, calls are refused with RESOURCE_EXHAUSTED, not sent.
  size_t max_calls = 65536;
  // Bytes that one connection may hold in the server: messages on their way, those that handlers have not
  // read, and replies that the client has not. Calls that would take more fail with RESOURCE_EXHAUSTED. At
  // least one message's worth.
  size_t max_connection_bytes = 512u << 20;
  // Threads that may run handlers at once, of which a streaming handler holds one for as long as it runs.
  // They are made as handlers turn out to block. Where all are in handlers, further calls wait for one to
  // end.
  size_t max_handler_threads = 4096;
  // Where handlers run, in place of the server's own threads: is given one task for each call, on a thread
  // that reads for all, and has it run soon, once, on any thread. max_handler_threads then counts no
  // handlers.
  std::function<void(std::function<void()> task)> executor;
  // How the server waits for requests.
  Polling polling = DefaultPolling();
};

class Server {
 public:
  // Shuts down without grace: cancels the calls in flight, and waits for their handlers.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // No new calls (they get UNAVAILABLE); those in flight may finish until `grace` has passed, then they are
  // cancelled. Returns when the last handler has: one that never looks whether it is cancelled keeps it
  // waiting. In a handler, which it cannot wait for, it returns at once and goes on beside. Idempotent.
  void Shutdown(absl::Duration grace = absl::InfiniteDuration());

  // Blocks until another thread has shut the server down.
  void Wait();

  // The addresses it listens on, as given to the builder.
  const std::vector<std::string>& addresses() const;

 private:
  friend class ServerBuilder;
  explicit Server(std::unique_ptr<internal::ServerCore> core);
  std::unique_ptr<internal::ServerCore> core_;
};

class ServerBuilder {
 public:
  // Where to listen: "unix:/path", "unix-abstract:name", "inproc:name", "shm:/path". May be called again.
  ServerBuilder& AddAddress(std::string_view address);
  // `service` must outlive the server.
  ServerBuilder& RegisterService(Service* service);
  ServerBuilder& SetOptions(const ServerOptions& options);

  // Listens and serves. Errors: FAILED_PRECONDITION (no service, no address), ALREADY_EXISTS (a service
  // twice, an address where a live server listens), INVALID_ARGUMENT (an address that cannot be),
  // PERMISSION_DENIED, ...
  absl::StatusOr<std::unique_ptr<Server>> BuildAndStart();

 private:
  std::vector<std::string> addresses_;
  std::vector<Service*> services_;
  ServerOptions options_;
};

}  // namespace sidecall

#endif  // SIDECALL_SERVER_H_
