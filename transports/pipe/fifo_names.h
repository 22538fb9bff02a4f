// The files of a "pipe:" address: FIFOs and whose they are.
//
//   /run/hello                      the rendezvous: clients write their requests here
//   /run/hello.owner                has the server's OwnerLock
//   /run/hello.lock                 has the PathLock while those two are made or removed
//   /run/hello.4242-1.to-server     the FIFOs of one connection, made by the client, which has the OwnerLock
//   /run/hello.4242-1.to-client     of the first; they have names until both sides have them open
//
// What is being made has ".new" behind its name.
#ifndef SIDECALL_TRANSPORTS_PIPE_FIFO_NAMES_H_
#define SIDECALL_TRANSPORTS_PIPE_FIFO_NAMES_H_

#include <string>
#include <string_view>

namespace sidecall {

// A request is a line: this, the name of the connection ("4242-1"), and a newline. It fits into PIPE_BUF, so
// that requests of several clients never mix.
inline constexpr std::string_view kFifoRequest = "sidecall-pipe 1 ";
// What a server that has both FIFOs open writes first, to tell so.
inline constexpr std::string_view kFifoWelcome = "sidecall-pipe 1\n";

inline std::string OwnerFileOf(const std::string& path) {
  return path + ".owner";
}
inline std::string ToServer(const std::string& path, std::string_view connection) {
  return path + "." + std::string(connection) + ".to-server";
}
inline std::string ToClient(const std::string& path, std::string_view connection) {
  return path + "." + std::string(connection) + ".to-client";
}
void RemoveFifos(const std::string& path, std::string_view connection);

// Removes the FIFOs of connections whose client has died before the server had them.
void RemoveDeadFifos(const std::string& path);

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_PIPE_FIFO_NAMES_H_
