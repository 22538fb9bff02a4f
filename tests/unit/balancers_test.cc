// Which server each balancer picks.
#include "sidecall/balancer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace sidecall {
namespace {

// Servers named "a", "b", ... of the given weights and loads.
class Servers {
 public:
  struct Figures {
    uint32_t weight = 1;
    uint32_t calls_in_flight = 0;
  };
  explicit Servers(const std::vector<Figures>& all) : figures_(all) {
    for (size_t i = 0; i < all.size(); i++) names_.push_back(std::string(1, static_cast<char>('a' + i)));
  }
  void Remove(size_t index) {
    names_.erase(names_.begin() + static_cast<ptrdiff_t>(index));
    figures_.erase(figures_.begin() + static_cast<ptrdiff_t>(index));
  }
  Figures& at(size_t index) { return figures_.at(index); }

  std::string Picks(Balancer& balancer, int count) const {
    static const std::map<std::string, std::string> no_labels;
    std::vector<BalancedServer> servers;
    for (size_t i = 0; i < names_.size(); i++) {
      servers.push_back({names_[i], names_[i], no_labels, figures_[i].weight, figures_[i].calls_in_flight});
    }
    std::string picks;
    for (int pick = 0; pick < count; pick++) picks += names_.at(balancer.Pick(servers));
    return picks;
  }

 private:
  std::vector<std::string> names_;
  std::vector<Figures> figures_;
};

TEST(BalancersTest, PickFirstStaysUntilItsServerGoes) {
  const auto balancer = PickFirst();
  Servers servers({{}, {}, {}});
  EXPECT_EQ(servers.Picks(*balancer, 3), "aaa");
  servers.Remove(0);
  EXPECT_EQ(servers.Picks(*balancer, 2), "bb");
}

TEST(BalancersTest, RoundRobinTakesTurns) {
  const auto balancer = RoundRobin();
  EXPECT_EQ(Servers({{}, {}, {}}).Picks(*balancer, 7), "abcabca");
}

TEST(BalancersTest, LeastLoadedTakesWhoHasTheFewestCalls) {
  const auto balancer = LeastLoaded();
  Servers servers({{.calls_in_flight = 3}, {.calls_in_flight = 1}, {.calls_in_flight = 2}});
  EXPECT_EQ(servers.Picks(*balancer, 3), "bbb");
  servers.at(1).calls_in_flight = 9;
  EXPECT_EQ(servers.Picks(*balancer, 3), "ccc");
  servers.at(0) = {.weight = 4, .calls_in_flight = 4};
  EXPECT_EQ(servers.Picks(*balancer, 3), "aaa") << "for its weight";
}

TEST(BalancersTest, LeastLoadedTakesTurnsAmongEquals) {
  const auto balancer = LeastLoaded();
  EXPECT_EQ(Servers({{}, {}}).Picks(*balancer, 4), "abab");
}

TEST(BalancersTest, WeightedIsSmooth) {
  const auto balancer = Weighted();
  Servers servers({{.weight = 5}, {.weight = 1}, {.weight = 1}});
  EXPECT_EQ(servers.Picks(*balancer, 7), "aabacaa");
  EXPECT_EQ(servers.Picks(*balancer, 7), "aabacaa");
  servers.Remove(0);
  const std::string rest = servers.Picks(*balancer, 10);
  EXPECT_EQ(std::count(rest.begin(), rest.end(), 'b'), 5);
}

}  // namespace
}  // namespace sidecall
