// A client's half of how two processes meet over FIFOs or message queues, by hand: for stopping in the
// middle, and for sending what no client sends.
#ifndef SIDECALL_TESTS_FAULT_RAW_MEETING_H_
#define SIDECALL_TESTS_FAULT_RAW_MEETING_H_

#include <memory>
#include <string>
#include <string_view>

#include "transport/address.h"
#include "transport/owner_lock.h"
#include "transport/unique_fd.h"
#include "transports/mqueue/message_queue.h"
#include "transports/mqueue/queue_names.h"

namespace fault {

class RawFifos {
 public:
  // Of a "pipe:" address. Its FIFOs are made; the server knows nothing yet.
  explicit RawFifos(const sidecall::Address& address);
  bool made() const { return lock_ != nullptr && in_.valid(); }
  bool SendRequest() const;
  // Until the server has both.
  bool AwaitWelcome() const;
  bool SendBytes(std::string_view bytes) const;
  // Skips what it sends before. False after kPatience.
  bool HangsUp() const;

 private:
  std::string path_;
  std::string name_;
  std::unique_ptr<sidecall::OwnerLock> lock_;  // on the FIFO to the server, which it has open
  sidecall::UniqueFd in_;
};

class RawQueues {
 public:
  // Of an "mqueue:" address.
  explicit RawQueues(const sidecall::Address& address);
  bool made() const { return lock_ != nullptr && in_.descriptor() >= 0; }
  bool SendRequest() const;
  bool AwaitWelcome();
  bool SendMessage(std::string_view bytes) const;
  bool HangsUp();

 private:
  sidecall::QueueNames names_;
  std::string name_;
  std::unique_ptr<sidecall::OwnerLock> lock_;  // on the life line
  sidecall::UniqueFd life_line_;
  sidecall::MessageQueue in_;
  sidecall::MessageQueue out_;
};

}  // namespace fault

#endif  // SIDECALL_TESTS_FAULT_RAW_MEETING_H_
