// What stands in a frame's body before its message: method name, metadata, status; and the hello frame. The
// layout is docs/protocol.md's, and tests/unit/protocol_vectors_test.cc holds this code to its bytes.
//
// Decoding never trusts a length: it fails with DATA_LOSS on the first one that does not fit.
#ifndef SIDECALL_CORE_FRAME_CODEC_H_
#define SIDECALL_CORE_FRAME_CODEC_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sidecall/metadata.h"
#include "transport/frame.h"

namespace sidecall {

// -- Sections: appended to, and taken from the front of, a body
// ----------------------------------------------

// Metadata that one call may carry each way: the section's bytes, which are those of keys and values and
// these for each entry.
inline constexpr uint32_t kMaxMetadataBytes = 64u << 10;
inline constexpr uint32_t kMetadataEntryBytes = sizeof(uint16_t) + sizeof(uint32_t);
// What may stand before a message of the largest size: method name, metadata each way, and room for a status.
inline constexpr uint32_t kMaxHeadBytes = 4 * kMaxMetadataBytes;

void AppendMethodName(std::string& body, std::string_view full_name);
void AppendMetadata(std::string& body, const Metadata& metadata);
// Message, details and whether the call was not sent, of `status`; its code travels in the header.
void AppendStatus(std::string& body, const absl::Status& status, const Metadata& trailing);

absl::Status TakeMethodName(std::string_view& body, std::string_view& full_name);
// RESOURCE_EXHAUSTED where it is whole, but more than a call may carry.
absl::Status TakeMetadata(std::string_view& body, Metadata& metadata);
// `code` is the header's; a number that is no status code becomes UNKNOWN.
absl::Status TakeStatus(std::string_view& body, uint32_t code, absl::Status& status, Metadata& trailing);

// The status of a code with nothing beside it. A number that is no status code becomes UNKNOWN.
absl::Status StatusOfCode(uint32_t code);

// -- Hello
// ---------------------------------------------------------------------------------------------------

inline constexpr uint16_t kProtocolVersion = 1;

struct Hello {
  static constexpr uint32_t kMagic = 0x4c434453;  // "SDCL"
  uint16_t oldest_version = kProtocolVersion;     // the versions that the sender speaks
  uint16_t newest_version = kProtocolVersion;
  uint32_t features = 0;
  uint64_t clock_id = 0;        // inode of the sender's time namespace; 0: unknown
  int64_t clock_now = 0;        // its CLOCK_MONOTONIC, in nanoseconds
  uint64_t max_message = 0;     // bytes of message that it receives
  uint32_t max_calls = 0;       // calls that it serves at once on this connection
  uint32_t max_method_ids = 0;  // method ids below this may be acknowledged
  uint32_t max_metadata = 0;    // bytes of metadata that it receives per call
  uint32_t initial_window = 0;  // bytes that each stream may send it before the first window frame
};

std::string EncodeHello(const Hello& hello);
// Later versions may append fields: what follows the known ones is skipped. DATA_LOSS where it is no hello.
absl::StatusOr<Hello> DecodeHello(std::string_view body);

}  // namespace sidecall

#endif  // SIDECALL_CORE_FRAME_CODEC_H_
