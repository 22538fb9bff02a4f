// NamedEngine: the call engine of targets that name a service, "sidecall:hello.Greeter": a FrameEngine for
// each of its live servers, of which a balancer picks one for each call.
//
// The servers are those that the registry tells of, from the first call on. A unary call that certainly
// reached no handler goes on to another server; one whose outcome is unknown does where its method is
// idempotent. Streams, and calls that are finished later, choose another server until they are connected.
#ifndef SIDECALL_CORE_NAMED_ENGINE_H_
#define SIDECALL_CORE_NAMED_ENGINE_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/background_connect.h"
#include "core/backoff.h"
#include "core/config_file.h"
#include "core/endpoint.h"
#include "core/fork_guard.h"
#include "core/transport_choice.h"
#include "core/write_mutex.h"
#include "registry/resolver.h"
#include "sidecall/channel.h"
#include "sidecall/internal/call_engine.h"

namespace sidecall {

class NamedEngine final : public internal::CallEngine {
 public:
  NamedEngine(ServiceQuery query, const ChannelOptions& options);
  ~NamedEngine() override;

  absl::Status RunUnary(const internal::Method& method, ClientContext& context,
                        const internal::MessageSource& request, internal::MessageTarget& reply) override;
  internal::PendingUnary& StartUnary(const internal::Method& method, ClientContext& context,
                                     const internal::MessageSource& request,
                                     google::protobuf::MessageLite& reply, bool may_wait) override;
  void SendWaiting() override;
  std::unique_ptr<internal::ClientStream> StartStream(const internal::Method& method, ClientContext& context,
                                                      const internal::MessageSource* request,
                                                      internal::MessageTarget* reply) override;
  ChannelState State() override;
  bool Connect(ClientContext& context) override;
  void ConnectInBackground() override { background_.Begin(); }
  bool AwaitStateChange(ChannelState last, int64_t deadline_nanos) override;
  std::vector<std::string> Connections() override;

 private:
  class Stream;
  class Pending;
  // What a call has learnt of servers so far.
  struct Attempts {
    int made = 0;                    // in vain
    std::vector<std::string> tried;  // registrations' ids, since it last waited
    absl::Status last_error;
    std::optional<Backoff> backoff;  // once it has waited
  };
  struct Picked {
    EndpointUse use;
    absl::Status why_none;  // where it is empty
    uint64_t changes = 0;   // that had been applied by then
  };

  absl::Status Run(const internal::Method& method, ClientContext& context,
                   const internal::MessageSource& request, internal::MessageTarget& reply);
  // An endpoint for the call's next attempt. Errors, marked as not sent: that of the last attempt, where no
  // server is left; why there is none; DEADLINE_EXCEEDED or CANCELLED of a call that waits for one.
  absl::StatusOr<EndpointUse> Pick(ClientContext& context, Attempts& attempts);
  // The same, and connected.
  absl::StatusOr<EndpointUse> PickConnected(ClientContext& context);
  Picked PickNow(const Attempts& attempts);
  bool MayTryOn(const ClientContext& context, const absl::Status& status, const Attempts& attempts) const;
  bool GoesOn(const internal::Method& method, const ClientContext& context, const absl::Status& status,
              const Attempts& attempts) const;
  void NoteFailure(const EndpointUse& use, const absl::Status& status, Attempts& attempts);

  // Asks the registry which servers there are. True: it is worth another look in a second.
  bool Look();
  bool Apply(const Resolution& resolution);
  void OnConfigChange(const Config& config);
  Endpoint* EndpointOf(const ServerInstance& server);
  Endpoint& VacantEndpoint();
  std::vector<EndpointUse> OpenEndpoints();
  // Sleeps until there are other servers than after so many changes, a cancel, or that time.
  void AwaitChange(ClientContext& context, uint64_t changes, int64_t until_nanos);
  ServerAddresses AddressesOf(const ServerInstance& server) const;
  absl::Status WhyNoneIsSpoken(const std::string& name, const ServerInstance& server) const;

  const ChannelOptions options_;
  const ForkGuard fork_guard_;

  std::atomic<Endpoint*> first_{nullptr};  // the one that is picked where nothing else is asked for

  WriteMutex mutex_;  // all below
  std::unique_ptr<std::condition_variable_any> changed_ = std::make_unique<std::condition_variable_any>();
  uint64_t changes_ = 0;                      // of the servers there are
  const std::unique_ptr<Balancer> balancer_;  // null: the newest, until it goes
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
  std::vector<Endpoint*> open_;  // the newest first
  absl::Status why_none_;
  TransportChoice transports_;  // that may be taken

  std::mutex look_mutex_;  // held from a look until it is applied; taken before the other
  Resolver resolver_;      // under it; calls Look
  BackgroundConnect background_;
  const ConfigFile::Subscription config_changes_;  // last: uses the above
};

// "sidecall:hello.Greeter@instance?label=value", without the scheme. INVALID_ARGUMENT.
absl::StatusOr<ServiceQuery> ParseServiceTarget(std::string_view rest);

}  // namespace sidecall

#endif  // SIDECALL_CORE_NAMED_ENGINE_H_
