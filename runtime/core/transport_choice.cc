#include "core/transport_choice.h"

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "transport/all_transports.h"

namespace sidecall {

std::vector<std::string> SplitTransports(std::string_view list) {
  return absl::StrSplit(absl::string_view(list.data(), list.size()), absl::ByAnyChar(", "),
                        absl::SkipEmpty());
}

TransportChoice ChooseTransports(const char* variable, const Config::Transports* config,
                                 const std::vector<std::string>& option, std::string_view options_name) {
  // Who runs a program has the last word on what it is built to do.
  const char* environment = std::getenv(variable);
  if (environment != nullptr && *environment != '\0') return {SplitTransports(environment), variable};
  if (config != nullptr) return {config->schemes, config->place};
  if (!option.empty()) return {option, std::string(options_name)};
  return {};
}

absl::Status CheckTransports(const TransportChoice& choice) {
  for (const std::string& scheme : choice.schemes) {
    const absl::Status known = FindTransportOfScheme(scheme).status();
    if (!known.ok()) return absl::Status(known.code(), absl::StrCat(choice.said_by, ": ", known.message()));
  }
  return absl::OkStatus();
}

}  // namespace sidecall
