#include "traits.h"

#include <google/protobuf/descriptor.pb.h>

#include <algorithm>
#include <limits>
#include <set>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "sidecall/options.pb.h"

namespace sidecall::codegen {
namespace {

void Collect(const google::protobuf::FileDescriptor& file, std::set<std::string>& seen, std::string& bytes) {
  if (!seen.insert(file.name()).second) return;
  google::protobuf::FileDescriptorProto proto;
  file.CopyTo(&proto);
  proto.clear_name();
  proto.clear_dependency();
  bytes += proto.SerializeAsString();
  for (int i = 0; i < file.dependency_count(); i++) Collect(*file.dependency(i), seen, bytes);
}

}  // namespace

absl::StatusOr<std::string> TransportsOf(const google::protobuf::ServiceDescriptor& service) {
  std::vector<std::string> schemes;
  for (const int number : service.options().GetExtension(sidecall::service).transports()) {
    const auto* value = ServiceOptions::Transport_descriptor()->FindValueByNumber(number);
    if (value == nullptr || number == ServiceOptions::TRANSPORT_UNSPECIFIED) {
      return absl::InvalidArgumentError(
          absl::StrCat(service.full_name(), ": option (sidecall.service).transports: ", number,
                       " is no transport. Name those of sidecall/options.proto"));
    }
    std::string scheme = absl::StrReplaceAll(absl::AsciiStrToLower(value->name()), {{"_", "-"}});
    if (std::find(schemes.begin(), schemes.end(), scheme) != schemes.end()) {
      return absl::InvalidArgumentError(absl::StrCat(
          service.full_name(), ": option (sidecall.service).transports names ", value->name(), " twice"));
    }
    schemes.push_back(std::move(scheme));
  }
  return absl::StrJoin(schemes, ",");
}

bool IsIdempotent(const google::protobuf::MethodDescriptor& method) {
  // protobuf's own option says the same.
  return method.options().GetExtension(sidecall::method).idempotent() ||
         method.options().idempotency_level() != google::protobuf::MethodOptions::IDEMPOTENCY_UNKNOWN;
}

absl::StatusOr<int64_t> DefaultTimeoutOf(const google::protobuf::MethodDescriptor& method) {
  const MethodOptions& options = method.options().GetExtension(sidecall::method);
  if (!options.has_default_timeout()) return 0;
  constexpr int64_t kNanos = 1'000'000'000;
  const auto& timeout = options.default_timeout();
  const bool fits = timeout.seconds() >= 0 &&
                    timeout.seconds() < std::numeric_limits<int64_t>::max() / kNanos &&
                    timeout.nanos() >= 0 && timeout.nanos() < kNanos;
  const int64_t nanos = fits ? timeout.seconds() * kNanos + timeout.nanos() : 0;
  if (nanos > 0) return nanos;
  return absl::InvalidArgumentError(absl::StrCat(method.full_name(),
                                                 ": option (sidecall.method).default_timeout is ",
                                                 timeout.seconds(), " seconds and ", timeout.nanos(),
                                                 " nanoseconds. Give it more than none, and less than 292 "
                                                 "years, or leave it out"));
}

uint64_t SchemaHash(const google::protobuf::ServiceDescriptor& service) {
  std::set<std::string> seen;
  std::string bytes = service.full_name();
  Collect(*service.file(), seen, bytes);
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a, of 64 bits
  for (const char byte : bytes) hash = (hash ^ static_cast<uint8_t>(byte)) * 0x100000001b3;
  return hash;
}

}  // namespace sidecall::codegen
