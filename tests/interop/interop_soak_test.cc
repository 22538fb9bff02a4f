// The interop cases of many calls: at once, one after the other, each on a channel of its own.
#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include "interop_fixture.h"

namespace sidecall_interop {
namespace {

// A thread for each call, and all begin together.
TEST_P(InteropTest, concurrent_large_unary) {
  const int calls = Scaled(1000);
  const TestService::Stub stub = NewStub();
  ASSERT_TRUE(CallsEmpty(stub));
  const SimpleRequest request = LargeRequest();
  std::promise<void> start;
  const std::shared_future<void> started = start.get_future().share();
  std::atomic<int> answered{0};
  std::vector<std::thread> callers;
  for (int call = 0; call < calls; call++) {
    callers.emplace_back([&] {
      started.wait();
      const auto answer = CallsLarge(stub, request);
      EXPECT_TRUE(answer);
      if (answer) answered++;
    });
  }
  start.set_value();
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(answered, calls);
}

TEST_P(InteropTest, rpc_soak) {
  const TestService::Stub stub = NewStub();
  const SimpleRequest request = LargeRequest();
  for (int call = 0; call < Scaled(1000); call++) ASSERT_TRUE(CallsLarge(stub, request)) << call;
}

TEST_P(InteropTest, channel_soak) {
  const SimpleRequest request = LargeRequest();
  for (int call = 0; call < Scaled(200); call++) ASSERT_TRUE(CallsLarge(NewStub(), request)) << call;
}

}  // namespace
}  // namespace sidecall_interop
