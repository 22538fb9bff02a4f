// ClientContext's wakers: who waits for a call is told of its cancel, and no more once it has gone.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include "sidecall/client_context.h"

namespace sidecall {
namespace {

struct CountingWaker final : ClientContext::Waker {
  void WakeForCancel() override { woken++; }
  std::atomic<int> woken{0};
};

TEST(ContextWakersTest, AllAreWokenAndNoneComesAfterwards) {
  ClientContext context;
  std::array<CountingWaker, 3> wakers;
  for (CountingWaker& waker : wakers) EXPECT_TRUE(context.AddWaker(waker));
  context.TryCancel();
  for (CountingWaker& waker : wakers) EXPECT_EQ(waker.woken, 1);
  CountingWaker late;
  EXPECT_FALSE(context.AddWaker(late));
  for (CountingWaker& waker : wakers) context.RemoveWaker(waker);
  context.TryCancel();
  EXPECT_EQ(late.woken, 0);
}

TEST(ContextWakersTest, WhoHasGoneIsNotWoken) {
  for (size_t gone = 0; gone < 3; gone++) {
    ClientContext context;
    std::array<CountingWaker, 3> wakers;
    for (CountingWaker& waker : wakers) ASSERT_TRUE(context.AddWaker(waker));
    context.RemoveWaker(wakers[gone]);
    CountingWaker next;
    ASSERT_TRUE(context.AddWaker(next));
    context.TryCancel();
    EXPECT_EQ(next.woken, 1);
    for (size_t i = 0; i < wakers.size(); i++) EXPECT_EQ(wakers[i].woken, i == gone ? 0 : 1) << i;
  }
}

// Each is woken, or told that it comes too late, or both, and none is touched after RemoveWaker, whoever
// comes when.
TEST(ContextWakersTest, ACancelAtTheSameTime) {
  constexpr int kRounds = 5000;
  for (int round = 0; round < kRounds && !HasFailure(); round++) {
    ClientContext context;
    std::atomic<int> ready{0};
    const auto together = [&ready] {
      ready++;
      while (ready < 3) std::this_thread::yield();
    };
    const auto wait = [&] {
      together();
      auto waker = std::make_unique<CountingWaker>();
      if (!context.AddWaker(*waker)) {
        EXPECT_TRUE(context.cancelled());
        return;
      }
      const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
      while (waker->woken == 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
      EXPECT_EQ(waker->woken, 1);
      context.RemoveWaker(*waker);
    };
    const auto come_and_go = [&] {
      together();
      auto waker = std::make_unique<CountingWaker>();
      if (context.AddWaker(*waker)) context.RemoveWaker(*waker);
    };
    std::thread waits(wait);
    std::thread comes_and_goes(come_and_go);
    together();
    context.TryCancel();
    waits.join();
    comes_and_goes.join();
  }
}

}  // namespace
}  // namespace sidecall
