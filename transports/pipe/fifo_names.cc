#include "transports/pipe/fifo_names.h"

#include <sys/stat.h>
#include <unistd.h>

#include "transport/connection_names.h"
#include "transport/owner_lock.h"

namespace sidecall {

void RemoveFifos(const std::string& path, std::string_view connection) {
  // The lock is on the first: once that has gone, nobody would know the other for dead.
  unlink(ToClient(path, connection).c_str());
  unlink(ToServer(path, connection).c_str());
  unlink((ToServer(path, connection) + ".new").c_str());
}

void RemoveDeadFifos(const std::string& path) {
  for (const std::string& connection : ConnectionsBeside(path)) {
    if (IsLeftBehind(ToServer(path, connection))) RemoveFifos(path, connection);
  }
}

}  // namespace sidecall
