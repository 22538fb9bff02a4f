// Gates: named events that handlers wait on and tests open, so that no test depends on how long anything
// takes.
#ifndef SIDECALL_TESTS_HARNESS_CALL_GATES_H_
#define SIDECALL_TESTS_HARNESS_CALL_GATES_H_

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "sidecall/server_context.h"

namespace conformance {

// Any thread.
class Gates {
 public:
  // A handler waits until the gate is open. False where nobody waits for its reply any more.
  bool Pass(const std::string& gate, sidecall::ServerContext& context);

  // The same for who waits on behalf of nobody. False after kPatience.
  bool AwaitOpen(const std::string& gate);

  // Lets through who waits, and who comes later.
  void Open(const std::string& gate);
  // Waits until `count` handlers have come to the gate in all. False after kPatience.
  bool AwaitArrivals(const std::string& gate, int count);
  // Waits until `count` handlers have turned away from it, cancelled.
  bool AwaitCancels(const std::string& gate, int count);
  // Told, one at a time, how many have come to a gate and turned away from it, whenever one has. REQUIRES:
  // nobody has yet.
  using Observer = std::function<void(const std::string& gate, int arrivals, int cancels)>;
  void SetObserver(Observer observer) { observer_ = std::move(observer); }

 private:
  struct Gate {
    bool open = false;
    int arrivals = 0;
    int cancels = 0;
  };

  void Tell(const std::string& gate, const Gate& own);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Gate> gates_;
  Observer observer_;
};

}  // namespace conformance

#endif  // SIDECALL_TESTS_HARNESS_CALL_GATES_H_
