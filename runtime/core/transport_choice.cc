#include "core/transport_choice.h"

#include <cstdlib>

#include "absl/strings/str_split.h"

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

}  // namespace sidecall
