#include "systemd/passed_sockets.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace hello {
namespace {

// Empty where it has none.
std::string PathOf(int descriptor) {
  sockaddr_un address{};
  socklen_t length = sizeof address;
  if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &length) != 0) return "";
  if (address.sun_family != AF_UNIX) return "";
  return {address.sun_path, strnlen(address.sun_path, sizeof address.sun_path)};
}

}  // namespace

absl::StatusOr<std::vector<std::string>> AddressesOfPassedSockets() {
  char** names = nullptr;
  const int count = sd_listen_fds_with_names(/*unset_environment=*/1, &names);
  if (count < 0) return absl::InternalError(absl::StrCat("sd_listen_fds: ", std::strerror(-count)));
  std::vector<std::string> addresses;
  for (int i = 0; i < count; i++) {
    const int descriptor = SD_LISTEN_FDS_START + i;
    addresses.push_back(absl::StrCat(names[i], ":", PathOf(descriptor), "?fd=", descriptor));
    free(names[i]);
  }
  free(names);
  if (!addresses.empty()) return addresses;
  return absl::FailedPreconditionError(
      "no socket was passed: start it as hello.socket does, or with "
      "systemd-socket-activate --fdname=shm --listen=/tmp/greeter");
}

}  // namespace hello
