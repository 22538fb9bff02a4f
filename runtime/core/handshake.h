// The hello that both sides send first.
#ifndef SIDECALL_CORE_HANDSHAKE_H_
#define SIDECALL_CORE_HANDSHAKE_H_

#include <cstdint>
#include <mutex>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/frame_codec.h"
#include "core/frame_writer.h"
#include "sidecall/internal/method.h"

namespace sidecall {

// Method ids that a client may use on one connection.
inline constexpr uint32_t kMaxMethodIds = 4096;

// Streams are numbered generation * 2^16 + index; the index is below the server's max_calls.
inline constexpr uint32_t kMaxCallsPerConnection = 1u << 16;
inline uint32_t StreamIndex(uint32_t stream) {
  return stream & (kMaxCallsPerConnection - 1);
}

// What each stream may send before the first WINDOW. Half of it is returned at a time: large enough for a
// megabyte message to find window left, small enough for a thousand stalled streams.
inline constexpr uint32_t kInitialWindow = 256u << 10;

// Sends this side's hello.
void SendHello(FrameWriter& writer, WriteMutex& write_mutex, uint64_t max_message, uint32_t max_calls);

// What a received hello means for us.
struct Agreement {
  Hello peer;
  int64_t clock_offset = 0;  // add to the peer's CLOCK_MONOTONIC to get ours
};
// DATA_LOSS where `body` is no hello, UNIMPLEMENTED where no version is common to both.
absl::StatusOr<Agreement> Agree(std::string_view body);

// RESOURCE_EXHAUSTED, as the client sees it, whichever side finds out.
absl::Status ReplyTooLarge(const internal::Method& method, uint64_t size, uint64_t limit);

}  // namespace sidecall

#endif  // SIDECALL_CORE_HANDSHAKE_H_
