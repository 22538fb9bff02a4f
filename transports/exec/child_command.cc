#include "transports/exec/child_command.h"

#include <unistd.h>

#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace sidecall {
namespace {

constexpr char kKnownOptions[] = "dies_with_parent forward_stderr max_restarts grace";

std::string Encoded(std::string_view word) {
  constexpr std::string_view kPlain = "-_./=,:+@~^";
  std::string encoded;
  for (const char c : word) {
    const bool plain =
        absl::ascii_isalnum(static_cast<unsigned char>(c)) || kPlain.find(c) != std::string::npos;
    plain ? encoded.push_back(c) : absl::StrAppend(&encoded, "%", absl::BytesToHexString({&c, 1}));
  }
  return encoded;
}

bool IsHexDigit(char c) {
  return absl::ascii_isxdigit(static_cast<unsigned char>(c));
}

absl::StatusOr<std::string> Decoded(std::string_view word) {
  std::string decoded;
  for (size_t i = 0; i < word.size(); i++) {
    if (word[i] != '%') {
      decoded.push_back(word[i]);
      continue;
    }
    if (i + 2 >= word.size() || !IsHexDigit(word[i + 1]) || !IsHexDigit(word[i + 2])) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", std::string(word),
                       "': two hexadecimal digits follow a '%', as in %20 for a space and %25 for itself"));
    }
    decoded += absl::HexStringToBytes(std::string(word.substr(i + 1, 2)));
    i += 2;
  }
  if (decoded.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError("a word with %00 in it can be nobody's argument");
  }
  return decoded;
}

// The option where it is given; false where it is none of that kind.
bool TakeBool(const Address& address, std::string_view name, bool& value) {
  const auto found = address.options.find(name);
  if (found == address.options.end()) return true;
  value = found->second == "yes";
  return value || found->second == "no";
}

bool TakeCount(const Address& address, std::string_view name, int& value) {
  const auto found = address.options.find(name);
  return found == address.options.end() || (absl::SimpleAtoi(found->second, &value) && value >= 0);
}

bool TakeDuration(const Address& address, std::string_view name, absl::Duration& value) {
  const auto found = address.options.find(name);
  return found == address.options.end() ||
         (absl::ParseDuration(found->second, &value) && value >= absl::ZeroDuration());
}

}  // namespace

absl::StatusOr<ChildCommand> ChildCommand::Parse(const Address& address) {
  const absl::Status known = address.CheckOptions(kKnownOptions);
  if (!known.ok()) return known;
  ChildCommand command;
  ChildOptions& options = command.options;
  if (!TakeBool(address, "dies_with_parent", options.dies_with_parent) ||
      !TakeBool(address, "forward_stderr", options.forward_stderr) ||
      !TakeCount(address, "max_restarts", options.max_restarts) ||
      !TakeDuration(address, "grace", options.grace)) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", address.text,
                     "': its options are dies_with_parent and forward_stderr (yes or no), "
                     "max_restarts (a number) and grace (as 500ms, 2s)"));
  }
  for (const absl::string_view word : absl::StrSplit(address.rest, ' ', absl::SkipEmpty())) {
    auto decoded = Decoded({word.data(), word.size()});
    if (!decoded.ok())
      return absl::InvalidArgumentError(absl::StrCat(address.text, ": ", decoded.status().message()));
    command.arguments.push_back(*std::move(decoded));
  }
  if (command.arguments.empty() || command.arguments[0].empty()) {
    return absl::InvalidArgumentError(absl::StrCat("'", address.text, "' names no program"));
  }
  command.program = command.arguments[0];
  command.arguments.erase(command.arguments.begin());
  return command;
}

absl::StatusOr<std::string> ChildCommand::Find() const {
  if (program.find('/') != std::string::npos) return program;
  const char* path = std::getenv("PATH");
  for (const absl::string_view directory : absl::StrSplit(path != nullptr ? path : "/usr/bin:/bin", ':')) {
    std::string candidate = absl::StrCat(directory.empty() ? "." : directory, "/", program);
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return absl::InvalidArgumentError(absl::StrCat(program, " is not in PATH. Give its path"));
}

std::string ChildAddress(std::string_view program, const std::vector<std::string>& arguments,
                         const ChildOptions& options) {
  std::string address = absl::StrCat("exec:", Encoded(program));
  for (const std::string& argument : arguments) absl::StrAppend(&address, " ", Encoded(argument));
  const auto yes_or_no = [](bool yes) { return yes ? "yes" : "no"; };
  absl::StrAppend(&address, "?dies_with_parent=", yes_or_no(options.dies_with_parent),
                  "&forward_stderr=", yes_or_no(options.forward_stderr),
                  "&max_restarts=", options.max_restarts, "&grace=", absl::FormatDuration(options.grace));
  return address;
}

}  // namespace sidecall
