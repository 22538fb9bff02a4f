#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

#include "sidecall/balancer.h"

namespace sidecall {
namespace {

class PickFirstBalancer final : public Balancer {
 public:
  size_t Pick(std::span<const BalancedServer> servers) override {
    for (size_t i = 0; i < servers.size(); i++) {
      if (servers[i].id == current_) return i;
    }
    current_ = servers[0].id;
    return 0;
  }

 private:
  std::string current_;
};

class RoundRobinBalancer final : public Balancer {
 public:
  size_t Pick(std::span<const BalancedServer> servers) override { return next_++ % servers.size(); }

 private:
  size_t next_ = 0;
};

class LeastLoadedBalancer final : public Balancer {
 public:
  size_t Pick(std::span<const BalancedServer> servers) override {
    // Among equals, one after the other.
    const size_t first = next_++ % servers.size();
    size_t best = first;
    for (size_t step = 1; step < servers.size(); step++) {
      const size_t i = (first + step) % servers.size();
      // Loads are compared as fractions, without dividing.
      if (uint64_t{servers[i].calls_in_flight} * servers[best].weight <
          uint64_t{servers[best].calls_in_flight} * servers[i].weight) {
        best = i;
      }
    }
    return best;
  }

 private:
  size_t next_ = 0;
};

// Smooth: a server of weight 5 beside two of 1 takes a-a-b-a-c-a-a, and not a-a-a-a-a-b-c.
class WeightedBalancer final : public Balancer {
 public:
  size_t Pick(std::span<const BalancedServer> servers) override {
    std::unordered_map<std::string, int64_t> next;
    size_t best = 0;
    int64_t most = INT64_MIN;
    int64_t total = 0;
    for (size_t i = 0; i < servers.size(); i++) {
      const auto before = credit_.find(servers[i].id);
      const int64_t credit = (before != credit_.end() ? before->second : 0) + int64_t{servers[i].weight};
      total += servers[i].weight;
      next[servers[i].id] = credit;
      if (credit > most) {
        most = credit;
        best = i;
      }
    }
    next[servers[best].id] -= total;
    credit_ = std::move(next);  // Of those that have gone, nothing is kept.
    return best;
  }

 private:
  std::unordered_map<std::string, int64_t> credit_;
};

}  // namespace

std::unique_ptr<Balancer> PickFirst() {
  return std::make_unique<PickFirstBalancer>();
}

std::unique_ptr<Balancer> RoundRobin() {
  return std::make_unique<RoundRobinBalancer>();
}

std::unique_ptr<Balancer> LeastLoaded() {
  return std::make_unique<LeastLoadedBalancer>();
}

std::unique_ptr<Balancer> Weighted() {
  return std::make_unique<WeightedBalancer>();
}

}  // namespace sidecall
