// The names of an "mqueue:" address. A message queue tells neither whose it is nor that its other end has
// died: files in /dev/shm do, where every Linux has a place for what lives as long as the queues, until the
// next boot.
//
//   /hello                                      the listening queue: clients send their requests to it
//   /dev/shm/sidecall-mqueue.hello.owner        has the server's OwnerLock
//   /dev/shm/sidecall-mqueue.hello.lock         has the PathLock while those two are made or removed
//   /hello.4242-1.to-server, .to-client         the queues of one connection, made by the client
//   /dev/shm/sidecall-mqueue.hello.4242-1.life  its life line, a FIFO, with the client's OwnerLock at first
//
// The client has the life line's end for reading, the server that for writing.
// Those of a connection have names until both sides have them open.
#ifndef SIDECALL_TRANSPORTS_MQUEUE_QUEUE_NAMES_H_
#define SIDECALL_TRANSPORTS_MQUEUE_QUEUE_NAMES_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "transport/address.h"

namespace sidecall {

// A request is a message: this, and the name of the connection.
inline constexpr std::string_view kQueueRequest = "sidecall-mqueue 1 ";
// The first message of a server that has both queues open.
inline constexpr std::string_view kQueueWelcome = "sidecall-mqueue 1\n";
inline constexpr unsigned kWelcomePriority = 31;  // the highest that POSIX promises
inline constexpr size_t kLongestRequest = 128;
// Of a connection's queues: below it not even a method's name fits into one.
inline constexpr size_t kSmallestMessage = 1024;

struct QueueNames {
  std::string listening;  // "/hello"
  std::string files;      // what the names of its files begin with

  // INVALID_ARGUMENT where the address is no "mqueue:/name".
  static absl::StatusOr<QueueNames> Of(const Address& address);

  std::string OwnerFile() const { return files + ".owner"; }
  std::string LifeLine(std::string_view connection) const {
    return files + "." + std::string(connection) + ".life";
  }
  std::string ToServer(std::string_view connection) const {
    return listening + "." + std::string(connection) + ".to-server";
  }
  std::string ToClient(std::string_view connection) const {
    return listening + "." + std::string(connection) + ".to-client";
  }
  void RemoveConnection(std::string_view connection) const;
  // Removes what clients left that died before the server had their queues.
  void RemoveDeadConnections() const;
};

// Removes what servers of this user left that were killed, at whatever name.
void RemoveDeadServers();

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_MQUEUE_QUEUE_NAMES_H_
