#include "transport/address.h"

#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace sidecall {
namespace {

absl::string_view Abseil(std::string_view text) {
  return {text.data(), text.size()};
}

}  // namespace

absl::StatusOr<Address> Address::Parse(std::string_view text) {
  Address address;
  address.text = text;
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "'", Abseil(text),
        "' is no address: it has no scheme. Write it as scheme:rest, for example unix:/run/hello"));
  }
  address.scheme = text.substr(0, colon);
  std::string_view rest = text.substr(colon + 1);
  const size_t question = rest.find('?');
  address.rest = rest.substr(0, question);
  if (address.rest.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("'", Abseil(text), "' is no address: nothing follows '",
                                                   address.scheme, ":'. Give the path or name"));
  }
  if (question == std::string_view::npos) return address;
  for (absl::string_view pair : absl::StrSplit(Abseil(rest.substr(question + 1)), '&')) {
    std::vector<std::string> parts = absl::StrSplit(pair, absl::MaxSplits('=', 1));
    if (parts.size() != 2 || parts[0].empty() || parts[1].empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", Abseil(text), "': option '", pair, "' is not written as name=value"));
    }
    address.options[parts[0]] = parts[1];
  }
  return address;
}

std::string Address::ForClients() const {
  if (options.find(kAdoptOption) == options.end()) return text;
  std::vector<std::string> kept;
  for (const auto& [name, value] : options) {
    if (name != kAdoptOption) kept.push_back(absl::StrCat(name, "=", value));
  }
  return absl::StrCat(scheme, ":", rest, kept.empty() ? "" : "?", absl::StrJoin(kept, "&"));
}

absl::Status Address::CheckOptions(std::string_view known) const {
  std::vector<absl::string_view> names = absl::StrSplit(Abseil(known), ' ', absl::SkipEmpty());
  for (const auto& [name, value] : options) {
    bool found = false;
    for (absl::string_view candidate : names) found = found || candidate == name;
    if (!found) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", text, "': ", scheme, " knows no option '", name, "'. ",
                       names.empty() ? "It has none" : "It knows: ", Abseil(known)));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> Address::SizeOption(std::string_view name, uint64_t otherwise, uint64_t least,
                                             uint64_t most) const {
  auto found = options.find(name);
  if (found == options.end()) return otherwise;
  uint64_t value = 0;
  if (!absl::SimpleAtoi(found->second, &value) || value < least || value > most) {
    return absl::InvalidArgumentError(absl::StrCat("'", text, "': option ", Abseil(name), "=", found->second,
                                                   " is not a number from ", least, " to ", most));
  }
  return value;
}

}  // namespace sidecall
