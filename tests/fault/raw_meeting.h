// How two processes meet over sockets, FIFOs or message queues, by hand: for stopping in the middle, and for
// sending what no client and no server sends.
#ifndef SIDECALL_TESTS_FAULT_RAW_MEETING_H_
#define SIDECALL_TESTS_FAULT_RAW_MEETING_H_

#include <memory>
#include <string>
#include <string_view>

#include "call_raw_peer.h"
#include "transport/address.h"
#include "transport/owner_lock.h"
#include "transport/unique_fd.h"
#include "transport/unix_socket.h"
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
  // The FIFOs themselves, once there is a welcome.
  conformance::RawPeer TakeStream();

 private:
  std::string path_;
  std::string name_;
  std::unique_ptr<sidecall::OwnerLock> lock_;  // on the FIFO to the server, which it has open
  sidecall::UniqueFd in_;
};

// A byte stream to the server at a "unix:", "unix-abstract:" or "pipe:" address. Nothing is said over it yet.
conformance::RawPeer MeetRaw(const sidecall::Address& address);

// A server's half, at such an address.
class RawServer {
 public:
  explicit RawServer(const sidecall::Address& address);
  ~RawServer();
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;

  bool listens() const { return sockets_ != nullptr || fifo_.valid(); }
  // The next client; not connected where none comes within kPatience.
  conformance::RawPeer Accept();

 private:
  conformance::RawPeer AcceptFifos();

  const std::string path_;
  std::unique_ptr<sidecall::UnixSocketListener> sockets_;
  std::unique_ptr<sidecall::OwnerLock> owner_;
  sidecall::UniqueFd fifo_;
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
