// Channel: a client's handle on a service target. Made once, shared by every stub and thread of a process.
//
//   std::shared_ptr<sidecall::Channel> channel = sidecall::CreateChannel("shm:/run/hello");
//   hello::Greeter::Stub stub(channel);
//
// Targets: an address, "shm:/path", "unix:/path", "unix-abstract:name", "pipe:/path", "mqueue:/name" or
// "inproc:name", or a child's (sidecall/child_address.h; docs/transports.md); or a service, by its name:
// "sidecall:hello.Greeter", "sidecall:hello.Greeter@instance?label=value&other=value". Its servers are found
// in the registry (docs/registry.md), as they come and go. Connections are made by the first call, and again
// by the first call after they broke. Thread-safety: any thread, at any time.
#ifndef SIDECALL_CHANNEL_H_
#define SIDECALL_CHANNEL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "sidecall/balancer.h"
#include "sidecall/channel_state.h"
#include "sidecall/internal/call_engine.h"
#include "sidecall/polling.h"

namespace sidecall {

struct ChannelOptions {
  // A larger reply fails its call with RESOURCE_EXHAUSTED before memory is set aside for it.
  size_t max_receive_message_bytes = 4u << 20;
  // For connecting and shaking hands; a call's own deadline may end it earlier.
  absl::Duration connect_timeout = absl::Seconds(10);
  // Where nothing has come for so long, at least half a second, while calls wait: asks the server whether it
  // still reads, as one that is stopped or hangs does not. Where no answer has come after keepalive_timeout,
  // the connection is given up: its calls end with UNAVAILABLE. Infinite: never asks, so that a server can be
  // debugged.
  absl::Duration keepalive_time = absl::InfiniteDuration();
  absl::Duration keepalive_timeout = absl::Seconds(20);
  // How a call waits for its reply.
  Polling polling = DefaultPolling();

  // -- Of targets that name a service -----------------------------------------------------------------------
  // Transports that may be taken, as "shm" or "unix", the best first. None: what the server offers, in its
  // order. The environment's SIDECALL_TRANSPORTS=shm,unix, or else the config
  // file (docs/config.md), takes the place of this.
  std::vector<std::string> transports;
  // Which server takes the next call. None: the newest, until it goes.
  BalancerFactory balancer;
  // Servers that a unary call is tried on, the first included, where it certainly reached no handler, or its
  // method is idempotent; less than 1 counts as 1. One that waits (ClientContext::set_wait_for_ready) is
  // tried until its deadline.
  int max_attempts = 5;
  // Users, beside this one and root, whose servers count (as /run/sidecall/<uid> has them).
  std::vector<uint32_t> trusted_owners;
};

class Channel {
 public:
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  const std::string& target() const { return target_; }

  // As it is now; of several servers, the best state of any. A connection that has just broken is found out
  // by the next call, or by this. Never blocks. `try_to_connect`: where it is not connected, a thread
  // connects it from now on, trying again with growing pauses until it is.
  ChannelState GetState(bool try_to_connect);
  // Connects, trying again until `deadline`, with growing pauses. False where it came first, or trying again
  // has no use, for want of permission for example.
  bool WaitForConnected(absl::Time deadline);
  // Waits until the state is another than `last_observed`. False where `deadline` came first. Connects
  // nothing by itself. A connection's end, of which no call tells, is noticed within 50 ms.
  bool WaitForStateChange(ChannelState last_observed, absl::Time deadline);

  // Where it is connected, and why there, for people to read: a line for each server.
  std::vector<std::string> Connections();

  // -- For generated code -----------------------------------------------------------------------------------
  internal::CallEngine& engine() const { return *engine_; }

 private:
  friend std::shared_ptr<Channel> CreateChannel(std::string_view, const ChannelOptions&);
  Channel(std::string_view target, std::unique_ptr<internal::CallEngine> engine);

  std::string target_;
  std::unique_ptr<internal::CallEngine> engine_;
};

// Never fails: a target that cannot be used gives a channel whose calls return the reason (as gRPC's lame
// channel).
std::shared_ptr<Channel> CreateChannel(std::string_view target, const ChannelOptions& options = {});

}  // namespace sidecall

#endif  // SIDECALL_CHANNEL_H_
