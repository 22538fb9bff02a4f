// The reader role: one owner at a time, whoever offers, takes back or steals.
#include "core/reader_role.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace sidecall {
namespace {

TEST(ReaderRole, OneTakes) {
  ReaderRole role;
  EXPECT_TRUE(role.TryTake());
  EXPECT_FALSE(role.TryTake());
  role.Release();
  EXPECT_TRUE(role.TryTake());
}

TEST(ReaderRole, OfferIsTakenBack) {
  ReaderRole role;
  ASSERT_TRUE(role.TryTake());
  const ReaderRole::Ticket ticket = role.Offer();
  EXPECT_TRUE(ReaderRole::IsHandling(role.Look()));
  EXPECT_EQ(role.Look(), ticket);
  EXPECT_FALSE(role.TryTake()) << "offered is not free: it must be stolen first";
  EXPECT_TRUE(role.TakeBack(ticket));
  EXPECT_FALSE(ReaderRole::IsHandling(role.Look()));
  EXPECT_FALSE(role.Steal(ticket)) << "the handler has ended";
}

TEST(ReaderRole, StolenRoleIsNotTakenBack) {
  ReaderRole role;
  ASSERT_TRUE(role.TryTake());
  const ReaderRole::Ticket ticket = role.Offer();
  EXPECT_TRUE(role.Steal(ticket));
  EXPECT_FALSE(role.Steal(ticket));
  EXPECT_FALSE(role.TakeBack(ticket));
  EXPECT_TRUE(role.TryTake());
  EXPECT_FALSE(role.TakeBack(ticket));
}

TEST(ReaderRole, OldTicketMatchesNoLaterHandler) {
  ReaderRole role;
  ASSERT_TRUE(role.TryTake());
  const ReaderRole::Ticket first = role.Offer();
  ASSERT_TRUE(role.TakeBack(first));
  const ReaderRole::Ticket second = role.Offer();
  EXPECT_NE(first, second);
  EXPECT_FALSE(role.Steal(first));
  EXPECT_FALSE(role.TakeBack(first));
  EXPECT_TRUE(role.TakeBack(second));
}

TEST(ReaderRole, OldTicketMatchesNothingAfterTheRoleWasFree) {
  ReaderRole role;
  ASSERT_TRUE(role.TryTake());
  const ReaderRole::Ticket first = role.Offer();
  ASSERT_TRUE(role.Steal(first));
  ASSERT_TRUE(role.TryTake());
  const ReaderRole::Ticket second = role.Offer();
  EXPECT_FALSE(role.TakeBack(first));
  EXPECT_TRUE(role.TakeBack(second));
}

TEST(ReaderRole, NeverTwoOwners) {
  ReaderRole role;
  std::atomic<int> owners{0};
  std::atomic<int> rounds{0};
  constexpr int kRounds = 20'000;
  auto own = [&] {
    EXPECT_EQ(owners.fetch_add(1, std::memory_order_relaxed), 0);
    EXPECT_EQ(owners.fetch_sub(1, std::memory_order_relaxed), 1);
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; i++) {
    threads.emplace_back([&] {
      while (rounds.load() < kRounds) {
        if (!role.TryTake()) {
          const ReaderRole::Ticket seen = role.Look();
          if (ReaderRole::IsHandling(seen)) role.Steal(seen);
          continue;
        }
        rounds++;
        own();
        const ReaderRole::Ticket ticket = role.Offer();
        if (!role.TakeBack(ticket)) continue;
        own();
        role.Release();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace sidecall
