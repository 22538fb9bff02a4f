// Where a call waits for a connection, and how its cancel reaches it there. TryCancel calls a waker under a
// lock of the context's: so none is added or removed while a lock is held that a waker takes.
#ifndef SIDECALL_CORE_CONNECT_WAKERS_H_
#define SIDECALL_CORE_CONNECT_WAKERS_H_

#include <unistd.h>

#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "core/sleeper.h"
#include "core/write_mutex.h"
#include "sidecall/client_context.h"

namespace sidecall {

// Sleeps until `until_nanos`, or the call is cancelled.
class CancellableSleep final : public ClientContext::Waker {
 public:
  CancellableSleep(ClientContext& context, int64_t until_nanos) {
    if (!context.AddWaker(*this)) return;
    sleeper_.Announce();
    if (!context.cancelled()) sleeper_.Sleep(until_nanos);
    sleeper_.Cancel();
    context.RemoveWaker(*this);
  }
  void WakeForCancel() override { sleeper_.Wake(); }

 private:
  Sleeper sleeper_;
};

// Makes an eventfd, which must outlive this, readable once the call is cancelled.
class CancelBell final : public ClientContext::Waker {
 public:
  CancelBell(ClientContext& context, int event) : context_(context), event_(event) {
    if (!context.AddWaker(*this)) WakeForCancel();
  }
  ~CancelBell() { context_.RemoveWaker(*this); }
  CancelBell(const CancelBell&) = delete;
  CancelBell& operator=(const CancelBell&) = delete;

  void WakeForCancel() override {
    const uint64_t one = 1;
    (void)!write(event_, &one, sizeof one);
  }

 private:
  ClientContext& context_;
  const int event_;
};

// Has the call look again at what it waits for with `changed`, whose mutex is `mutex`, once it is cancelled.
class CancelNotice final : public ClientContext::Waker {
 public:
  // REQUIRES: the mutex is not held.
  CancelNotice(ClientContext& context, WriteMutex& mutex, std::condition_variable_any& changed)
      : context_(context), mutex_(mutex), changed_(changed) {
    (void)context.AddWaker(*this);  // False: it is cancelled, as the call will see.
  }
  // REQUIRES: the mutex is not held.
  ~CancelNotice() { context_.RemoveWaker(*this); }
  CancelNotice(const CancelNotice&) = delete;
  CancelNotice& operator=(const CancelNotice&) = delete;

  void WakeForCancel() override {
    const std::lock_guard lock(mutex_);  // Else the call might be about to sleep, and miss it.
    changed_.notify_all();
  }

 private:
  ClientContext& context_;
  WriteMutex& mutex_;
  std::condition_variable_any& changed_;
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_CONNECT_WAKERS_H_
