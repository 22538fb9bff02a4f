#include "core/frame_codec.h"

#include <cstring>
#include <limits>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "core/status_payloads.h"
#include "sidecall/status.h"

namespace sidecall {
namespace {

constexpr uint32_t kHighestStatusCode = 16;
constexpr uint8_t kNotSentBit = 0x01;

template <typename Number>
void Append(std::string& body, Number number) {
  static_assert(std::is_integral_v<Number>);
  body.append(reinterpret_cast<const char*>(&number), sizeof number);
}

template <typename Number>
bool Take(std::string_view& body, Number& number) {
  if (body.size() < sizeof number) return false;
  std::memcpy(&number, body.data(), sizeof number);
  body.remove_prefix(sizeof number);
  return true;
}

bool TakeBytes(std::string_view& body, size_t size, std::string_view& bytes) {
  if (body.size() < size) return false;
  bytes = body.substr(0, size);
  body.remove_prefix(size);
  return true;
}

absl::Status Truncated(std::string_view what) {
  return absl::DataLossError(absl::StrCat("a frame's ", std::string(what), " is longer than the frame"));
}

}  // namespace

void AppendMethodName(std::string& body, std::string_view full_name) {
  Append(body, static_cast<uint16_t>(full_name.size()));
  body.append(full_name);
}

absl::Status TakeMethodName(std::string_view& body, std::string_view& full_name) {
  uint16_t size = 0;
  if (!Take(body, size) || !TakeBytes(body, size, full_name)) return Truncated("method name");
  return absl::OkStatus();
}

void AppendMetadata(std::string& body, const Metadata& metadata) {
  const size_t size_at = body.size();
  Append(body, uint32_t{0});
  for (const auto& [key, value] : metadata) {
    Append(body, static_cast<uint16_t>(key.size()));
    Append(body, static_cast<uint32_t>(value.size()));
    body.append(key);
    body.append(value);
  }
  const auto size = static_cast<uint32_t>(body.size() - size_at - sizeof(uint32_t));
  std::memcpy(body.data() + size_at, &size, sizeof size);
}

absl::Status TakeMetadata(std::string_view& body, Metadata& metadata) {
  uint32_t size = 0;
  std::string_view entries;
  if (!Take(body, size) || !TakeBytes(body, size, entries)) return Truncated("metadata");
  if (size > kMaxMetadataBytes) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the metadata of a call has ", size, " bytes, and at most ", kMaxMetadataBytes, " are taken"));
  }
  while (!entries.empty()) {
    uint16_t key_size = 0;
    uint32_t value_size = 0;
    std::string_view key;
    std::string_view value;
    if (!Take(entries, key_size) || !Take(entries, value_size) || !TakeBytes(entries, key_size, key) ||
        !TakeBytes(entries, value_size, value)) {
      return Truncated("metadata entry");
    }
    metadata.Add(key, value);
  }
  return absl::OkStatus();
}

void AppendStatus(std::string& body, const absl::Status& status, const Metadata& trailing) {
  const std::string_view message = StatusMessage(status);
  const std::string details = StatusDetails(status);
  Append(body, static_cast<uint8_t>(IsNotSent(status) ? kNotSentBit : 0));
  Append(body, static_cast<uint32_t>(message.size()));
  Append(body, static_cast<uint32_t>(details.size()));
  body.append(message);
  body.append(details);
  AppendMetadata(body, trailing);
}

absl::Status TakeStatus(std::string_view& body, uint32_t code, absl::Status& status, Metadata& trailing) {
  uint8_t bits = 0;
  uint32_t message_size = 0;
  uint32_t details_size = 0;
  std::string_view message;
  std::string_view details;
  if (!Take(body, bits) || !Take(body, message_size) || !Take(body, details_size) ||
      !TakeBytes(body, message_size, message) || !TakeBytes(body, details_size, details)) {
    return Truncated("status");
  }
  status = absl::Status(StatusOfCode(code).code(), absl::string_view(message.data(), message.size()));
  if (!details.empty()) SetStatusDetails(status, details);
  if ((bits & kNotSentBit) != 0) MarkNotSent(status);
  return TakeMetadata(body, trailing);
}

absl::Status StatusOfCode(uint32_t code) {
  if (code == 0) return absl::OkStatus();
  if (code > kHighestStatusCode) return absl::UnknownError(absl::StrCat("the peer sent status code ", code));
  return {static_cast<absl::StatusCode>(code), ""};
}

std::string EncodeHello(const Hello& hello) {
  std::string body;
  Append(body, Hello::kMagic);
  Append(body, hello.oldest_version);
  Append(body, hello.newest_version);
  Append(body, hello.features);
  Append(body, hello.clock_id);
  Append(body, hello.clock_now);
  Append(body, hello.max_message);
  Append(body, hello.max_calls);
  Append(body, hello.max_method_ids);
  Append(body, hello.max_metadata);
  Append(body, hello.initial_window);
  return body;
}

absl::StatusOr<Hello> DecodeHello(std::string_view body) {
  Hello hello;
  uint32_t magic = 0;
  if (!Take(body, magic) || magic != Hello::kMagic) {
    return absl::DataLossError("the peer does not speak Sidecall's protocol (its first frame is no hello)");
  }
  if (!Take(body, hello.oldest_version) || !Take(body, hello.newest_version) || !Take(body, hello.features) ||
      !Take(body, hello.clock_id) || !Take(body, hello.clock_now) || !Take(body, hello.max_message) ||
      !Take(body, hello.max_calls) || !Take(body, hello.max_method_ids) || !Take(body, hello.max_metadata) ||
      !Take(body, hello.initial_window)) {
    return Truncated("hello");
  }
  return hello;
}

}  // namespace sidecall
