// Many calls: on one channel, on many, large ones both ways at once.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "call_fixture.h"

namespace conformance {
namespace {

class LoadTest : public CallTest {
 protected:
  void SetUp() override { StartServer(); }

  // Runs `work(thread)` on `count` threads at once.
  template <typename Work>
  static void OnThreads(int count, Work work) {
    std::vector<std::thread> threads;
    for (int thread = 0; thread < count; thread++) threads.emplace_back([thread, &work] { work(thread); });
    for (std::thread& thread : threads) thread.join();
  }
};
SIDECALL_OVER_ALL_TRANSPORTS(LoadTest);

class ManyChannelsTest : public LoadTest {};
SIDECALL_OVER_TRANSPORTS_WHERE(ManyChannelsTest, HasManyConnections);

// All at once: as many threads as calls.
TEST_P(LoadTest, ManyCallersAtOnce) {
  const TestService::Stub stub = NewStub();
  std::atomic<int> done{0};
  const int callers = kSanitized ? 64 : 500;
  OnThreads(callers, [&](int thread) {
    for (int call = 0; call < 4; call++) {
      if (EchoesPayload(stub, 5000, static_cast<uint64_t>(thread))) done++;
    }
  });
  EXPECT_EQ(done, callers * 4);
}

TEST_P(ManyChannelsTest, ManyChannelsAtOnce) {
  const int channels = kSanitized ? 16 : 100;
  std::atomic<int> done{0};
  std::vector<TestService::Stub> stubs;
  for (int channel = 0; channel < channels; channel++) stubs.push_back(NewStub());
  OnThreads(8, [&](int thread) {
    for (int round = 0; round < 3; round++) {
      for (size_t i = static_cast<size_t>(thread); i < stubs.size(); i += 8) {
        if (Echoes(stubs[i], round)) done++;
      }
    }
  });
  EXPECT_EQ(done, 3 * channels);
}

// Both directions fill up: neither side may wait for room before it reads.
TEST_P(LoadTest, LargeMessagesBothWaysAtOnce) {
  const TestService::Stub stub = NewStub();
  std::atomic<int> failures{0};
  OnThreads(8, [&](int thread) {
    const size_t size = (1u << 20) + static_cast<size_t>(thread) * 333333;
    for (int round = 0; round < Scaled(20); round++) {
      const auto echoed = EchoesPayload(stub, size, static_cast<uint64_t>(thread * 100 + round));
      EXPECT_TRUE(echoed);
      if (!echoed) failures++;
    }
  });
  EXPECT_EQ(failures, 0);
}

// Small calls get through between the pieces of large ones, and nothing is mixed up.
TEST_P(LoadTest, SmallAmongLarge) {
  const TestService::Stub stub = NewStub();
  std::atomic<bool> stop{false};
  std::atomic<int> large{0};
  std::vector<std::thread> threads;
  for (uint64_t thread = 0; thread < 3; thread++) {
    threads.emplace_back([&, thread] {
      for (uint64_t round = 0; !stop; round++) {
        EXPECT_TRUE(EchoesPayload(stub, 3'000'000, thread * 1000 + round));
        large++;
      }
    });
  }
  OnThreads(3, [&](int thread) {
    for (int call = 0; call < Scaled(100); call++)
      EXPECT_TRUE(EchoesPayload(stub, 10, thread * 10000 + call));
  });
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(large, 0);
}

TEST_P(LoadTest, MixedSizesOnManyThreads) {
  const TestService::Stub stub = NewStub();
  OnThreads(8, [&](int thread) {
    const size_t sizes[] = {0, 100, 5000, 20000, 70000, 300000};
    for (int call = 0; call < Scaled(400); call++) {
      EXPECT_TRUE(EchoesPayload(stub, sizes[(thread + call) % 6], static_cast<uint64_t>(call)));
    }
  });
}

}  // namespace
}  // namespace conformance
