#include "arguments.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "registry/registration_file.h"
#include "sidecall/metadata.h"

namespace sidecall::tools {
namespace {

// Others of one dash are of one letter, whose value may follow without a space.
constexpr std::string_view kLongOptions[] = {"max-time", "emit-defaults", "no-legend", "help"};

bool IsLongWithOneDash(std::string_view argument) {
  if (argument.size() < 2 || argument[0] != '-' || argument[1] == '-') return false;
  const std::string_view name = argument.substr(1, argument.find('=') - 1);
  return std::find(std::begin(kLongOptions), std::end(kLongOptions), name) != std::end(kLongOptions);
}

}  // namespace

std::vector<std::string> NormalArguments(int argc, const char* const* argv) {
  std::vector<std::string> arguments;
  for (int i = 1; i < argc; i++) {
    const std::string argument = argv[i];
    arguments.push_back(IsLongWithOneDash(argument) ? "-" + argument : argument);
  }
  return arguments;
}

absl::StatusOr<MethodName> ParseMethodName(const std::string& text) {
  const size_t slash = text.rfind('/');
  const size_t separator = slash != std::string::npos ? slash : text.rfind('.');
  MethodName name;
  if (separator != std::string::npos) {
    name = {.service = text.substr(0, separator), .method = text.substr(separator + 1)};
  }
  if (name.method.empty() || !CheckServiceName(name.service).ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", text, "' names no method. Write it as package.Service/Method"));
  }
  return name;
}

absl::StatusOr<std::pair<std::string, std::string>> ParseHeader(const std::string& text) {
  const size_t colon = text.find(':');
  if (colon == std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat("'", text, "' is no header. Write it as 'key: value'"));
  }
  std::pair<std::string, std::string> header(
      absl::AsciiStrToLower(absl::StripAsciiWhitespace(text.substr(0, colon))),
      absl::StripAsciiWhitespace(absl::string_view(text).substr(colon + 1)));
  Metadata metadata;
  metadata.Add(header.first, header.second);
  absl::Status valid = metadata.Validate();
  if (!valid.ok()) return valid;
  return header;
}

std::string Printable(std::string_view text) {
  std::string printable(text);
  std::replace_if(
      printable.begin(), printable.end(), [](char c) { return absl::ascii_iscntrl(c) && c != '\n'; }, '?');
  return printable;
}

}  // namespace sidecall::tools
