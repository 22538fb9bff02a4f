// Server and ServerBuilder: a process's services, offered by name, or at addresses.
//
//   GreeterImpl greeter;
//   absl::StatusOr<std::unique_ptr<sidecall::Server>> server =
//       sidecall::ServerBuilder().RegisterService(&greeter).BuildAndStart();
//   if (!server.ok()) return server.status();
//   (*server)->Wait();
//
// Clients find it as "sidecall:hello.Greeter". With AddAddress("shm:/run/hello") it listens there, and is
// registered where Publish asks for it.
//
// Thread-safety: a builder is used by one thread; a server by any.
#ifndef SIDECALL_SERVER_H_
#define SIDECALL_SERVER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "sidecall/access.h"
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
  // end; cancels are heard, and clients' pings answered, by one thread more.
  size_t max_handler_threads = 4096;
  // Where handlers run, in place of the server's own threads: is given one task for each call, on a thread
  // that reads for all, and has it run soon, once, on any thread. max_handler_threads then counts no
  // handlers. The runtime's own reflection does not go there.
  std::function<void(std::function<void()> task)> executor;
  // Whether clients may ask what its services look like, as `sidecall describe` and `sidecall call` do: the
  // .proto files that are linked into the program (docs/reflection.md).
  bool reflection = true;
  // How the server waits for requests.
  Polling polling = DefaultPolling();
};

// How a server shows in the registry (docs/registry.md).
struct PublishOptions {
  // What "sidecall:hello.Greeter@left" asks for. Several servers may have the same. Neither '?' nor '@' in
  // it.
  std::string instance;
  // What "sidecall:hello.Greeter?zone=a" asks for.
  std::map<std::string, std::string> labels;
  // For the balancers Weighted and LeastLoaded; 0 counts as 1.
  uint32_t weight = 1;
  // No other server of the same registry directory may serve any of its services while this one lives.
  bool exclusive = false;
  // Where no address is given: schemes, as "shm" or "unix", the best first. The server listens at those of
  // them that the service's .proto names. None: at all that it names. The environment's
  // SIDECALL_SERVE=shm,unix, or else the config file (docs/config.md), takes the place of this.
  std::vector<std::string> transports;
};

class Server {
 public:
  // Shuts down without grace: cancels the calls in flight, and waits for their handlers.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // No new calls (they get UNAVAILABLE, and those of clients that know the service by name go elsewhere);
  // those in flight may finish until `grace` has passed, then they are cancelled. Returns when the last
  // handler has (one that never looks whether it is cancelled keeps it waiting), and its reply has left: for
  // clients that do not read theirs it waits as long as grace is left, 1 s at least and 5 s at most. In a
  // handler, which it cannot wait for, it returns at once and goes on beside. Idempotent.
  void Shutdown(absl::Duration grace = absl::InfiniteDuration());

  // Blocks until another thread has shut the server down.
  void Wait();

  // The addresses it listens on: those given to the builder, or else those that it chose.
  const std::vector<std::string>& addresses() const;

 private:
  friend class ServerBuilder;
  explicit Server(std::unique_ptr<internal::ServerCore> core);
  std::unique_ptr<internal::ServerCore> core_;
};

class ServerBuilder {
 public:
  // Where to listen: "shm:/path", "unix:/path", "unix-abstract:name", "pipe:/path", "mqueue:/name",
  // "inproc:name" (docs/transports.md). May be called again.
  // "unix:/path?fd=3", and so with shm and unix-abstract: at a listening socket that is there already, as
  // systemd passes it. Without any, a server listens, over the transports that its services' .proto files
  // name (shm and unix where they name none), at places of its own in the registry, and is registered there.
  ServerBuilder& AddAddress(std::string_view address);
  // Registers the server, also at addresses that are given, and with these options.
  ServerBuilder& Publish(const PublishOptions& options = {});
  // `service` must outlive the server.
  ServerBuilder& RegisterService(Service* service);
  ServerBuilder& SetOptions(const ServerOptions& options);
  // Who may call `guarded`: a service, "hello.Greeter", or a method of it, "hello.Greeter/SayHello", or "*",
  // what has no rule of its own. Where the config file has one for the same, that is taken. Without any,
  // whoever can connect may call (docs/access.md).
  ServerBuilder& SetAccess(std::string_view guarded, AccessRule rule);

  // Listens, registers and serves. Errors: FAILED_PRECONDITION (no service, a registry directory that is not
  // to be trusted, no transport that .proto and server both name), ALREADY_EXISTS (a service twice, an
  // address where a live server listens, a service that another serves alone), INVALID_ARGUMENT (an address
  // or an option that cannot be), PERMISSION_DENIED, RESOURCE_EXHAUSTED (descriptors, memory, threads),
  // UNAVAILABLE (another process holds the registry's lock for seconds).
  absl::StatusOr<std::unique_ptr<Server>> BuildAndStart();

 private:
  std::vector<std::string> addresses_;
  std::vector<Service*> services_;
  ServerOptions options_;
  std::optional<PublishOptions> publish_;
  std::map<std::string, AccessRule, std::less<>> access_;
};

}  // namespace sidecall

#endif  // SIDECALL_SERVER_H_
