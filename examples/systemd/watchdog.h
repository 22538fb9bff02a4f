// Watchdog: tells systemd that the server is well, for as long as it answers.
#ifndef SIDECALL_EXAMPLES_SYSTEMD_WATCHDOG_H_
#define SIDECALL_EXAMPLES_SYSTEMD_WATCHDOG_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/time/time.h"

namespace hello {

class Watchdog {
 public:
  // Where the unit has WatchdogSec=: a thread that, twice within that time, calls the server at `address`, as
  // a client does, and says WATCHDOG=1 where it was answered. Else nothing.
  static std::unique_ptr<Watchdog> Start(const std::string& address);
  // Ends the thread.
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  Watchdog(const std::string& address, absl::Duration interval);
  void Run(const std::string& address, absl::Duration interval);

  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace hello

#endif  // SIDECALL_EXAMPLES_SYSTEMD_WATCHDOG_H_
