#include "systemd/watchdog.h"

#include <systemd/sd-daemon.h>

#include <cstdint>
#include <iostream>

#include "hello.sidecall.h"
#include "sidecall/sidecall.h"

namespace hello {

std::unique_ptr<Watchdog> Watchdog::Start(const std::string& address) {
  uint64_t limit_micros = 0;
  if (sd_watchdog_enabled(/*unset_environment=*/1, &limit_micros) <= 0) return nullptr;
  return std::unique_ptr<Watchdog>(
      new Watchdog(address, absl::Microseconds(static_cast<int64_t>(limit_micros)) / 2));
}

Watchdog::Watchdog(const std::string& address, absl::Duration interval)
    : thread_([this, address, interval] { Run(address, interval); }) {}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  stopped_.notify_one();
  thread_.join();
}

void Watchdog::Run(const std::string& address, absl::Duration interval) {
  const Greeter::Stub stub(sidecall::CreateChannel(address));
  HelloRequest request;
  request.set_name("watchdog");
  std::unique_lock lock(mutex_);
  while (!stop_) {
    lock.unlock();
    sidecall::ClientContext context;
    context.set_timeout(interval);
    HelloReply reply;
    const absl::Status status = stub.SayHello(&context, request, &reply);
    if (status.ok()) {
      sd_notify(/*unset_environment=*/0, "WATCHDOG=1");
    } else {
      std::cerr << SD_WARNING "the watchdog's call: " << status << std::endl;
    }
    lock.lock();
    stopped_.wait_for(lock, absl::ToChronoNanoseconds(interval), [this] { return stop_; });
  }
}

}  // namespace hello
