#include "failover/load.h"

#include <chrono>
#include <iostream>
#include <span>

#include "absl/strings/str_cat.h"

namespace shop {
namespace {

// The channel asks it once for each server that a call is tried on.
class CountingRoundRobin final : public sidecall::Balancer {
 public:
  explicit CountingRoundRobin(std::atomic<int64_t>& attempts) : attempts_(attempts) {}
  size_t Pick(std::span<const sidecall::BalancedServer> servers) override {
    attempts_++;
    return round_robin_->Pick(servers);
  }

 private:
  std::atomic<int64_t>& attempts_;
  const std::unique_ptr<sidecall::Balancer> round_robin_ = sidecall::RoundRobin();
};

}  // namespace

Load::Load(ShopMethod method, int threads) : method_(method) {
  sidecall::ChannelOptions options;
  options.balancer = [this] { return std::make_unique<CountingRoundRobin>(attempts_); };
  channel_ = sidecall::CreateChannel("sidecall:shop.Shop", options);
  for (int thread = 0; thread < threads; thread++) threads_.emplace_back([this] { Run(); });
}

void Load::Run() {
  const Shop::Stub stub(channel_);
  Order order;
  while (!stop_) {
    order.set_number(order.number() + 1);
    sidecall::ClientContext context;
    context.set_timeout(absl::Seconds(30));
    context.set_wait_for_ready(true);  // until the first server is there
    Receipt receipt;
    const absl::Status status = (stub.*method_)(&context, order, &receipt);
    Note(status, receipt.server());
  }
}

void Load::Note(const absl::Status& status, const std::string& server) {
  const std::lock_guard lock(mutex_);
  if (status.ok()) {
    outcomes_.answered++;
    answers_[server]++;
    answer_came_.notify_one();
  } else if (absl::IsUnavailable(status) && !sidecall::IsNotSent(status)) {
    outcomes_.outcome_unknown++;
  } else {
    outcomes_.failed++;
    std::cerr << "failover: a call failed: " << status << std::endl;
  }
}

absl::Status Load::AwaitAnswersOf(const std::string& server, int64_t count) {
  std::unique_lock lock(mutex_);
  const int64_t enough = answers_[server] + count;
  if (answer_came_.wait_for(lock, std::chrono::seconds(30), [&] { return answers_[server] >= enough; })) {
    return absl::OkStatus();
  }
  return absl::DeadlineExceededError(
      absl::StrCat("the server ", server, " has not answered ", count, " calls within 30 s"));
}

Outcomes Load::Stop() {
  stop_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  const std::lock_guard lock(mutex_);
  Outcomes outcomes = outcomes_;
  outcomes.sent_again = attempts_ - (outcomes.answered + outcomes.outcome_unknown + outcomes.failed);
  return outcomes;
}

}  // namespace shop
