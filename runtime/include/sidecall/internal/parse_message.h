// Parsing of a received message: what MessageLite::ParseFromArray does, at half its price for a small one.
//
// protobuf's parser looks up to 16 bytes ahead. Where it knows nothing of what lies behind a message, it
// copies the message's end aside, and comes back for it once it is there: of the 66 ns for a message of 20
// bytes, 32. What arrives here lies in memory that goes on for as long, so that all of it is parsed where it
// is, up to a limit, as protobuf parses a message within another.
#ifndef SIDECALL_INTERNAL_PARSE_MESSAGE_H_
#define SIDECALL_INTERNAL_PARSE_MESSAGE_H_

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/message_lite.h>
#include <google/protobuf/parse_context.h>
#include <google/protobuf/stubs/common.h>

#include <cstddef>
#include <cstdint>

namespace sidecall::internal {

// Bytes behind a received message that are there to be read, and mean nothing.
inline constexpr size_t kReadableBehindMessage = 16;
// Protobuf counts in an int, and what lies behind with it.
inline constexpr size_t kMostMessageBytes = INT32_MAX - kReadableBehindMessage;

// False where the bytes are no such message, which is empty then.
inline bool ParseMessage(google::protobuf::MessageLite& message, const char* bytes, size_t size) {
  if (size > kMostMessageBytes) {
    message.Clear();
    return false;
  }
#if GOOGLE_PROTOBUF_VERSION / 1000 == 3021
  // The parser's own steps, which other versions take otherwise.
  using google::protobuf::internal::ParseContext;
  static_assert(kReadableBehindMessage == ParseContext::kSlopBytes);
  message.Clear();
  bool parsed = size == 0;
  if (!parsed) {
    const char* at = nullptr;
    ParseContext context(google::protobuf::io::CodedInputStream::GetDefaultRecursionLimit(),
                         /*enable_aliasing=*/false, &at,
                         google::protobuf::StringPiece(bytes, size + kReadableBehindMessage));
    const int beyond = context.PushLimit(at, static_cast<int>(size));
    at = message._InternalParse(at, &context);
    parsed = at != nullptr && context.PopLimit(beyond);
  }
  if (parsed && message.IsInitializedWithErrors()) return true;
#else
  if (message.ParseFromArray(bytes, static_cast<int>(size))) return true;
#endif
  message.Clear();  // A string that was told too long may hold what lies behind.
  return false;
}

}  // namespace sidecall::internal

#endif  // SIDECALL_INTERNAL_PARSE_MESSAGE_H_
