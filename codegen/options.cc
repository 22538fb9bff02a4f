#include "options.h"

#include <google/protobuf/compiler/code_generator.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace sidecall::codegen {
namespace {

struct Known {
  const char* key;
  std::string Options::*value;
};

constexpr std::array<Known, 3> kKnown = {{
    {"header_extension", &Options::header_extension},
    {"include_prefix", &Options::include_prefix},
    {"source_extension", &Options::source_extension},
}};

// How many single-character edits turn `from` into `to`.
size_t EditDistance(const std::string& from, const std::string& to) {
  std::vector<size_t> row(to.size() + 1);
  for (size_t j = 0; j < row.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= from.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= to.size(); ++j) {
      const size_t replaced = diagonal + (from[i - 1] == to[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[to.size()];
}

absl::Status UnknownParameter(const std::string& key) {
  std::string known;
  const Known* nearest = nullptr;
  size_t nearest_distance = key.size() / 2 + 1;  // Farther than this is no typing mistake.
  for (const Known& candidate : kKnown) {
    absl::StrAppend(&known, known.empty() ? "" : ", ", candidate.key);
    const size_t distance = EditDistance(key, candidate.key);
    if (distance < nearest_distance) {
      nearest_distance = distance;
      nearest = &candidate;
    }
  }
  std::string hint = nearest == nullptr ? "" : absl::StrCat("; did you mean \"", nearest->key, "\"?");
  return absl::InvalidArgumentError(
      absl::StrCat("unknown parameter \"", key, "\"", hint, " Known parameters: ", known, "."));
}

// An extension is what follows the proto's base name, in the same directory, and no file of protobuf's own.
absl::Status CheckExtension(const char* key, const std::string& value) {
  const bool one_name =
      value.size() > 1 && value[0] == '.' && value.find_first_of("/\\\"\n") == std::string::npos;
  if (!one_name) {
    return absl::InvalidArgumentError(absl::StrCat("parameter \"", key, "\" is \"", value,
                                                   "\"; give an extension that starts with a dot and holds "
                                                   "no slash, backslash or quote, such as \".sidecall.h\"."));
  }
  if (value == ".pb.h" || value == ".pb.cc") {
    return absl::InvalidArgumentError(absl::StrCat("parameter \"", key, "\" is \"", value,
                                                   "\", which names protobuf's own output; choose another."));
  }
  return absl::OkStatus();
}

absl::Status Check(Options& options) {
  absl::Status status = CheckExtension("header_extension", options.header_extension);
  if (status.ok()) status = CheckExtension("source_extension", options.source_extension);
  if (!status.ok()) return status;
  if (options.header_extension == options.source_extension) {
    return absl::InvalidArgumentError(
        absl::StrCat("parameters \"header_extension\" and \"source_extension\" are both \"",
                     options.header_extension, "\"; one file cannot be both. Make them differ."));
  }
  std::string& prefix = options.include_prefix;
  if (prefix.find_first_of("\\\"\n") != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat("parameter \"include_prefix\" is \"", prefix,
                                                   "\"; give a directory without quotes and backslashes."));
  }
  if (!prefix.empty() && !absl::EndsWith(prefix, "/")) prefix += '/';
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Options> ParseOptions(const std::string& parameter) {
  std::vector<std::pair<std::string, std::string>> pairs;
  google::protobuf::compiler::ParseGeneratorParameter(parameter, &pairs);
  Options options;
  std::set<std::string> seen;
  for (const auto& [key, value] : pairs) {
    const auto* known = std::find_if(kKnown.begin(), kKnown.end(),
                                     [&key = key](const Known& candidate) { return candidate.key == key; });
    if (known == kKnown.end()) return UnknownParameter(key);
    if (!seen.insert(key).second && options.*(known->value) != value) {
      return absl::InvalidArgumentError(absl::StrCat("parameter \"", key, "\" is given twice, as \"",
                                                     options.*(known->value), "\" and as \"", value,
                                                     "\"; give it once."));
    }
    options.*(known->value) = value;
  }
  absl::Status status = Check(options);
  if (!status.ok()) return status;
  return options;
}

}  // namespace sidecall::codegen
