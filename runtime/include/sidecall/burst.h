// Burst: unary calls that one thread begins one after another, and that may leave together: over a Unix
// socket, one system call for all of them instead of one for each.
//
//   sidecall::Burst burst;
//   for (Call& call : calls) {
//     call.pending = stub.async(burst).SayHello(&call.context, call.request, &call.reply);
//   }
//   burst.Send();
//
// A call that is begun with a burst may wait until Send, which the destructor calls as well; until so many
// wait that they had better leave; or until anybody begins a call without a burst on the same channel, or is
// in Finish there. A call that is begun without one waits for nothing. Send does not wait for a server
// that takes no more bytes: what is left then leaves while anybody is in a call on that channel.
//
// Calls on several channels may share a burst: what waits on one leaves before another's begins to wait.
// Thread-safety: one thread.
#ifndef SIDECALL_BURST_H_
#define SIDECALL_BURST_H_

#include <memory>

#include "sidecall/channel.h"

namespace sidecall {

class Burst final {
 public:
  Burst() = default;
  ~Burst() { Send(); }
  Burst(const Burst&) = delete;
  Burst& operator=(const Burst&) = delete;

  // Sends what waits. Others may follow.
  void Send() {
    if (channel_ == nullptr) return;
    channel_->engine().SendWaiting();
    channel_.reset();
  }

  // -- For generated code -----------------------------------------------------------------------------------
  // A call begins on `channel`.
  void Add(const std::shared_ptr<Channel>& channel) {
    if (channel_ == channel) return;
    Send();
    channel_ = channel;
  }

 private:
  std::shared_ptr<Channel> channel_;  // on which calls may wait
};

}  // namespace sidecall

#endif  // SIDECALL_BURST_H_
