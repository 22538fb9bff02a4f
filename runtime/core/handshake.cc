#include "core/handshake.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "transport/clock.h"

namespace sidecall {
namespace {

// The inode of this process's time namespace: equal ones share CLOCK_MONOTONIC.
uint64_t ClockId() {
  struct stat info {};
  return stat("/proc/self/ns/time", &info) == 0 ? info.st_ino : 0;
}

}  // namespace

void SendHello(FrameWriter& writer, WriteMutex& write_mutex, uint64_t max_message, uint32_t max_calls) {
  Hello hello;
  hello.clock_id = ClockId();
  hello.clock_now = MonotonicNanos();
  hello.max_message = max_message;
  hello.max_calls = max_calls;
  hello.max_method_ids = kMaxMethodIds;
  hello.max_metadata = kMaxMetadataBytes;
  hello.initial_window = kInitialWindow;
  FrameHeader header;
  header.type = FrameType::kHello;
  header.lane = Lane::kControl;
  FrameWriter::Lock lock(write_mutex);
  writer.Send(lock, header, EncodeHello(hello), nullptr, 0);
  writer.Flush(lock);
}

absl::StatusOr<Agreement> Agree(std::string_view body) {
  auto hello = DecodeHello(body);
  if (!hello.ok()) return hello.status();
  if (hello->oldest_version > kProtocolVersion || hello->newest_version < kProtocolVersion) {
    return absl::UnimplementedError(absl::StrCat(
        "the peer speaks protocol versions ", hello->oldest_version, " to ", hello->newest_version,
        ", this side version ", kProtocolVersion, ". Bring the older of the two up to date"));
  }
  if (hello->initial_window > INT32_MAX) {
    return absl::DataLossError(absl::StrCat("an initial window of ", hello->initial_window, " bytes"));
  }
  Agreement agreement{.peer = *hello};
  // No message can be larger, whatever the peer would take.
  agreement.peer.max_message = std::min<uint64_t>(hello->max_message, INT32_MAX);
  const uint64_t own_clock = ClockId();
  if (hello->clock_id != 0 && own_clock != 0 && hello->clock_id != own_clock) {
    // Unsigned: the peer's clock is any number.
    agreement.clock_offset = static_cast<int64_t>(static_cast<uint64_t>(MonotonicNanos()) -
                                                  static_cast<uint64_t>(hello->clock_now));
  }
  return agreement;
}

absl::Status ReplyTooLarge(const internal::Method& method, uint64_t size, uint64_t limit) {
  return absl::ResourceExhaustedError(absl::StrCat("the reply to ", std::string(method.full_name()), " has ",
                                                   size, " bytes, and this channel takes ", limit,
                                                   ". Raise the channel's max_receive_message_bytes"));
}

}  // namespace sidecall
