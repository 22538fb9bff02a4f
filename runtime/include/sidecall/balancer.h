// Balancers: which of a service's servers takes the next call, where a channel's target is a service and
// several serve it.
//
//   sidecall::ChannelOptions options;
//   options.balancer = sidecall::RoundRobin;
//   auto channel = sidecall::CreateChannel("sidecall:hello.Greeter", options);
//
// One of one's own derives from Balancer. Servers that a call has been tried on in vain are left out of its
// further attempts, and those that could not be reached out of others' for a second, by the channel.
#ifndef SIDECALL_BALANCER_H_
#define SIDECALL_BALANCER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>

namespace sidecall {

// One live server, as a balancer sees it.
struct BalancedServer {
  const std::string& id;        // of its registration: no two servers have the same
  const std::string& instance;  // as it calls itself
  const std::map<std::string, std::string>& labels;
  uint32_t weight;           // as it registered: at least 1
  uint32_t calls_in_flight;  // of this channel
};

class Balancer {
 public:
  virtual ~Balancer() = default;
  // The index of the one that takes the next call; one that is too large stands for the last. `servers` is
  // not empty, the newest is the first, and what it refers to is valid until this returns. Called by one
  // thread at a time, with a lock of the channel's held: it is to be quick, and to call nothing of Sidecall.
  virtual size_t Pick(std::span<const BalancedServer> servers) = 0;
};

// A channel's own. Null from it: as without a balancer.
using BalancerFactory = std::function<std::unique_ptr<Balancer>()>;

// The newest one, until it goes.
std::unique_ptr<Balancer> PickFirst();
// One after the other.
std::unique_ptr<Balancer> RoundRobin();
// The one that has the fewest calls of this channel in flight, by weight.
std::unique_ptr<Balancer> LeastLoaded();
// Each as often as its weight says.
std::unique_ptr<Balancer> Weighted();

}  // namespace sidecall

#endif  // SIDECALL_BALANCER_H_
