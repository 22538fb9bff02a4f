// Load: threads that call a method of shop.Shop without pause, and what became of the calls.
#ifndef SIDECALL_EXAMPLES_FAILOVER_LOAD_H_
#define SIDECALL_EXAMPLES_FAILOVER_LOAD_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "shop.sidecall.h"
#include "sidecall/sidecall.h"

namespace shop {

using ShopMethod = absl::Status (Shop::Stub::*)(sidecall::ClientContext*, const Order&, Receipt*) const;

struct Outcomes {
  int64_t answered = 0;
  int64_t sent_again = 0;       // to the other server, after the first; whatever came of it
  int64_t outcome_unknown = 0;  // the server died with the call: perhaps it was handled, perhaps not
  int64_t failed = 0;           // in any other way
};

class Load {
 public:
  Load(ShopMethod method, int threads);
  ~Load() { Stop(); }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  // Returns once that instance has answered so many calls more. DEADLINE_EXCEEDED after half a minute.
  absl::Status AwaitAnswersOf(const std::string& server, int64_t count);
  // What became of all calls.
  Outcomes Stop();

 private:
  void Run();
  void Note(const absl::Status& status, const std::string& server);

  const ShopMethod method_;
  std::shared_ptr<sidecall::Channel> channel_;
  std::atomic<int64_t> attempts_{0};
  std::mutex mutex_;
  std::condition_variable answer_came_;
  Outcomes outcomes_;
  std::map<std::string, int64_t> answers_;  // by server
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

}  // namespace shop

#endif  // SIDECALL_EXAMPLES_FAILOVER_LOAD_H_
