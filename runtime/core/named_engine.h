// NamedEngine: the call engine of targets that name a service, "sidecall:hello.Greeter": a FrameEngine for
// each of its live servers, of which a balancer picks one for each call.
//
// The servers are those that the registry tells of, from the first call on. A call that certainly reached no
// handler goes on to another server; one whose outcome is unknown does where its method is idempotent.
#ifndef SIDECALL_CORE_NAMED_ENGINE_H_
#define SIDECALL_CORE_NAMED_ENGINE_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core/background_connect.h"
#include "core/endpoint.h"
#include "core/fork_guard.h"
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
  bool Connect(int64_t deadline_nanos) override;
  void ConnectInBackground() override { background_.Begin(); }
  bool AwaitStateChange(ChannelState last, int64_t deadline_nanos) override;
  std::vector<std::string> Connections() override;

 private:
  class Stream;
  class Pending;
  // What a call has learnt of servers so far.
  struct Attempts {
    int made = 0;                        // in vain
    std::vector<const Endpoint*> tried;  // since it last waited
    absl::Status last_error;
  };

  absl::Status Run(const internal::Method& method, ClientContext& context,
                   const internal::MessageSource& request, internal::MessageTarget& reply);
  absl::Status RunElsewhere(const internal::Method& method, ClientContext& context,
                            const internal::MessageSource& request, internal::MessageTarget& reply,
                            Attempts attempts);
  // An endpoint for the call's next attempt. Errors, marked as not sent: that of the last attempt, where no
  // server is left; why there is none; DEADLINE_EXCEEDED or CANCELLED of a call that waits for one.
  absl::StatusOr<EndpointUse> Pick(ClientContext& context, Attempts& attempts);
  // The same, and connected.
  absl::StatusOr<EndpointUse> PickConnected(ClientContext& context);
  EndpointUse PickNow(const Attempts& attempts);
  bool GoesOn(const internal::Method& method, const ClientContext& context, const absl::Status& status,
              const Attempts& attempts) const;
  void Failed(const EndpointUse& use, const absl::Status& status, Attempts& attempts);

  // Asks the registry which servers there are.
  void Look();
  void Apply(const Resolution& resolution);
  Endpoint& VacantEndpoint();
  // Sleeps until another look has been applied, the call's deadline or cancel, or for a while.
  void AwaitLook(ClientContext& context, int64_t until_nanos);
  ServerAddresses AddressesOf(const ServerInstance& server) const;

  const ChannelOptions options_;
  const std::vector<std::string>
      transports_;  // that may be taken, the best first; empty: the server's choice
  const ForkGuard fork_guard_;

  std::atomic<Endpoint*> first_{nullptr};  // the one that is picked where nothing else is asked for

  WriteMutex mutex_;  // all below
  std::condition_variable_any changed_;
  uint64_t looks_ = 0;                        // that have been applied
  const std::unique_ptr<Balancer> balancer_;  // null: the newest, until it goes
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
  std::vector<Endpoint*> open_;  // the newest first
  absl::Status why_none_;

  std::mutex look_mutex_;  // held from a look until it is applied
  Resolver resolver_;      // under it; calls Look
  BackgroundConnect background_;
};

// "sidecall:hello.Greeter@instance?label=value", without the scheme. INVALID_ARGUMENT.
absl::StatusOr<ServiceQuery> ParseServiceTarget(std::string_view rest);

}  // namespace sidecall

#endif  // SIDECALL_CORE_NAMED_ENGINE_H_
