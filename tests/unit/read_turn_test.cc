#include "core/read_turn.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <thread>
#include <vector>

namespace sidecall {
namespace {

class ReadTurnTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam() && !ProcessFence::available()) GTEST_SKIP() << "membarrier() is refused here";
  }
};

INSTANTIATE_TEST_SUITE_P(Fences, ReadTurnTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "process_fence" : "own_fences"; });

TEST_P(ReadTurnTest, NobodyReadsOnceItIsClosed) {
  ReadTurn turn(GetParam());
  EXPECT_TRUE(ReadTurn::Scope(turn));
  EXPECT_TRUE(ReadTurn::Scope(turn));
  turn.Close();
  EXPECT_FALSE(ReadTurn::Scope(turn));
  turn.Close();
}

TEST_P(ReadTurnTest, CloseFindsNobodyInside) {
  constexpr int kRounds = 1000;
  // What a core has stored just before is what its next store waits behind.
  constexpr size_t kLine = 64;
  std::vector<char> cold(size_t{16} << 20);
  size_t next = 0;
  const auto fill_store_buffer = [&] {
    for (int i = 0; i < 8; i++) cold[next = (next + 67 * kLine) % cold.size()] = 1;
  };
  for (int round = 0; round < kRounds; round++) {
    ReadTurn turn(GetParam());
    std::atomic<int> reads{0};
    std::atomic<bool> closed{false};
    std::thread reader([&] {
      for (;; reads.store(reads.load() + 1)) {
        fill_store_buffer();
        const ReadTurn::Scope scope(turn);
        if (!scope) break;
        bool was_closed = false;
        for (int i = 0; i < 1000; i++) was_closed = was_closed || closed.load();
        ASSERT_FALSE(was_closed) << "round " << round << ", read " << reads;
      }
    });
    // Sometimes before its first read, sometimes beside any of the others.
    while (reads.load() < round % 64) std::this_thread::yield();
    for (int i = 0; i < round % 300; i++) std::atomic_signal_fence(std::memory_order_seq_cst);
    turn.Close();
    closed.store(true);
    reader.join();
    if (HasFatalFailure()) break;
  }
}

TEST_P(ReadTurnTest, CloseWaitsForARead) {
  ReadTurn turn(GetParam());
  std::atomic<bool> inside{false};
  std::atomic<bool> closing{false};
  std::thread reader([&] {
    const ReadTurn::Scope scope(turn);
    EXPECT_TRUE(scope);
    inside.store(true);
    // Most often the other sleeps by then.
    closing.wait(false);
    for (int i = 0; i < 1000; i++) std::this_thread::yield();
    inside.store(false);
  });
  while (!inside.load()) std::this_thread::yield();
  closing.store(true);
  closing.notify_all();
  turn.Close();
  EXPECT_FALSE(inside.load());
  reader.join();
}

TEST_P(ReadTurnTest, ItMayGoOnceItIsClosed) {
  for (int round = 0; round < 500; round++) {
    auto turn = std::make_unique<ReadTurn>(GetParam());
    std::atomic<bool> inside{false};
    std::thread reader([&inside, &turn = *turn] {
      const ReadTurn::Scope scope(turn);
      EXPECT_TRUE(scope);
      inside.store(true);
    });
    while (!inside.load()) std::this_thread::yield();
    turn->Close();
    // Nobody is to look at it any more, which ThreadSanitizer sees.
    turn.reset();
    reader.join();
  }
}

TEST_P(ReadTurnTest, AnotherThreadMayReadOn) {
  ReadTurn turn(GetParam());
  for (int round = 0; round < 100; round++) {
    std::thread([&] { EXPECT_TRUE(ReadTurn::Scope(turn)); }).join();
    EXPECT_TRUE(ReadTurn::Scope(turn));
  }
  std::thread([&] { EXPECT_TRUE(ReadTurn::Scope(turn)); }).join();
  turn.Close();
  EXPECT_FALSE(ReadTurn::Scope(turn));
}

}  // namespace
}  // namespace sidecall
