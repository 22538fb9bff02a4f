// Address: "scheme:rest?option=value&...", what a transport listens on or connects to.
#ifndef SIDECALL_TRANSPORT_ADDRESS_H_
#define SIDECALL_TRANSPORT_ADDRESS_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace sidecall {

// "unix:/run/hello?fd=3": the listening socket at that address is there already, as this descriptor. An
// option of transports that meet their peer at a socket.
inline constexpr char kAdoptOption[] = "fd";

struct Address {
  std::string text;    // as it was given
  std::string scheme;  // "shm"
  std::string rest;    // "/run/hello"
  std::map<std::string, std::string, std::less<>> options;

  // INVALID_ARGUMENT where `text` is no "scheme:rest", or an option has no value.
  static absl::StatusOr<Address> Parse(std::string_view text);

  // What clients are told of an address that a server listens at: it, without the option that only who
  // listens can use, kAdoptOption.
  std::string ForClients() const;

  // OK where every option is one of `known` (separated by spaces); else INVALID_ARGUMENT naming both.
  absl::Status CheckOptions(std::string_view known) const;

  // The option as a number of bytes, within [least, most]; `otherwise` where it is not given.
  absl::StatusOr<uint64_t> SizeOption(std::string_view name, uint64_t otherwise, uint64_t least,
                                      uint64_t most) const;
};

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORT_ADDRESS_H_
