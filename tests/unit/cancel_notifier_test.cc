#include "core/cancel_notifier.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <thread>
#include <vector>

#include "sidecall/server_context.h"
#include "transport/clock.h"

namespace sidecall {
namespace {

// That of a call which nobody serves.
class BareContext : public ServerContext {
 public:
  explicit BareContext(int64_t deadline_nanos = 0) { Start(nullptr, peer_, deadline_nanos); }

 private:
  PeerIdentity peer_;
};

constexpr std::chrono::seconds kPatience{20};

TEST(CancelNotifierTest, TellsOfACancel) {
  CancelNotifier notifier;
  BareContext context;
  std::promise<void> told;
  notifier.Add(context, [&] { told.set_value(); });  // A second time would throw.
  context.MarkCancelled();
  notifier.Notify(context);
  notifier.Notify(context);
  EXPECT_EQ(told.get_future().wait_for(kPatience), std::future_status::ready);
  notifier.Remove(context);
}

TEST(CancelNotifierTest, TellsOfACancelThatWasBefore) {
  CancelNotifier notifier;
  BareContext context;
  context.MarkCancelled();
  std::promise<void> told;
  notifier.Add(context, [&] { told.set_value(); });
  EXPECT_EQ(told.get_future().wait_for(kPatience), std::future_status::ready);
}

TEST(CancelNotifierTest, TellsOfDeadlinesInTheirOrder) {
  CancelNotifier notifier;
  const int64_t now = MonotonicNanos();
  BareContext late(now + 40'000'000);
  BareContext early(now + 20'000'000);
  std::promise<std::vector<int>> told;
  std::vector<int> order;
  notifier.Add(late, [&] {
    order.push_back(2);
    told.set_value(order);
  });
  notifier.Add(early, [&] { order.push_back(1); });
  std::future<std::vector<int>> future = told.get_future();
  ASSERT_EQ(future.wait_for(kPatience), std::future_status::ready);
  EXPECT_EQ(future.get(), (std::vector<int>{1, 2}));
  EXPECT_GE(MonotonicNanos(), now + 40'000'000);
}

TEST(CancelNotifierTest, RemoveWaitsForACallbackThatRuns) {
  CancelNotifier notifier;
  BareContext context;
  std::promise<void> entered;
  std::promise<void> leave;
  std::atomic<bool> left{false};
  notifier.Add(context, [&] {
    entered.set_value();
    leave.get_future().wait();
    left = true;
  });
  context.MarkCancelled();
  notifier.Notify(context);
  entered.get_future().wait();
  std::thread opener([&] { leave.set_value(); });
  notifier.Remove(context);
  EXPECT_TRUE(left);
  opener.join();
}

TEST(CancelNotifierTest, NoneRunsOnceRemoved) {
  CancelNotifier notifier;
  for (int i = 0; i < 2000; i++) {
    auto context = std::make_unique<BareContext>();
    auto alive = std::make_unique<int>(i);
    notifier.Add(*context, [&alive, i] { EXPECT_EQ(*alive, i); });
    std::thread canceller([&] {
      context->MarkCancelled();
      notifier.Notify(*context);
    });
    notifier.Remove(*context);
    alive.reset();  // A callback that runs now reads what is gone, which the sanitizers see.
    canceller.join();
  }
}

TEST(CancelNotifierTest, OneThatThrowsDoesNoHarm) {
  CancelNotifier notifier;
  BareContext first;
  BareContext second;
  std::promise<void> told;
  first.MarkCancelled();
  notifier.Add(first, [] { throw std::runtime_error("no"); });
  second.MarkCancelled();
  notifier.Add(second, [&] { told.set_value(); });
  EXPECT_EQ(told.get_future().wait_for(kPatience), std::future_status::ready);
}

}  // namespace
}  // namespace sidecall
