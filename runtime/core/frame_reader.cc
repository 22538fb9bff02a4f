#include "core/frame_reader.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/frame_rules.h"
#include "sidecall/internal/parse_message.h"
#include "transport/shared_copy.h"

namespace sidecall {
namespace {

constexpr size_t kPage = 4096;
static_assert(kReadableBehind >= internal::kReadableBehindMessage && kReadableBehind <= kPage / 2);
// Pieces of one frame that bring nothing: one may end it, more are a flood.
constexpr uint32_t kMaxEmptyPieces = 1024;
// One Poll copies out at most this much before what it passed on is dealt with.
constexpr size_t kCopiesBytes = 64u << 10;
// Memory of large frames that is kept for the next: their pages are dear to fault in again.
constexpr size_t kSpareBuffers = 2;
constexpr size_t kMaxSpareBytes = (2u << 20) + (64u << 10);

}  // namespace

char* FrameReader::Buffer::Get(size_t size) {
  if (bytes_ == nullptr || capacity_ < size) {
    memory_.reset(new (std::nothrow) char[size + 2 * kPage]);
    if (memory_ == nullptr) {
      capacity_ = 0;
      return bytes_ = nullptr;
    }
    const auto address = reinterpret_cast<uintptr_t>(memory_.get());
    bytes_ = memory_.get() + (kPage - address % kPage) % kPage + kPage / 2;
    capacity_ = size;
  }
  return bytes_;
}

FrameReader::FrameReader(Connection& connection, WholeFrameSink& sink, uint64_t max_whole, size_t max_split)
    : connection_(connection), sink_(sink), max_whole_(max_whole), max_split_(max_split) {}

void FrameReader::RecycleFinished() {
  for (Buffer& buffer : finished_) {
    if (spare_.size() < kSpareBuffers && buffer.capacity() <= kMaxSpareBytes)
      spare_.push_back(std::move(buffer));
  }
  finished_.clear();
}

FrameReader::Buffer FrameReader::TakeBuffer() {
  if (spare_.empty()) return {};
  Buffer buffer = std::move(spare_.back());
  spare_.pop_back();
  return buffer;
}

bool FrameReader::OnFrame(const FrameHeader& header, const FrameBody& body) {
  absl::Status taken;
  try {
    taken = TakeFrame(header, body);
  } catch (const std::bad_alloc&) {
    taken = absl::ResourceExhaustedError(
        absl::StrCat("no memory for a frame of ", header.length, " bytes or more"));
  }
  if (!taken.ok()) {
    connection_.Close();
    OnClosed(taken);
    return false;
  }
  return finished_.empty() && copies_used_ < kCopiesBytes / 2;
}

// The transport found no memory for what comes: nothing of this connection can be read any more.
size_t FrameReader::EndForMemory() {
  connection_.Close();
  OnClosed(absl::ResourceExhaustedError("no memory for what the peer sends"));
  return 0;
}

void FrameReader::OnClosed(const absl::Status& why) {
  if (!std::exchange(closed_, true)) sink_.OnClosed(why);
}

absl::Status FrameReader::TakeFrame(const FrameHeader& header, const FrameBody& body) {
  if (!KeepsFrameRule(header)) [[unlikely]] {
    return BrokenFrameRule(header);
  }
  if (header.type == FrameType::kContinuation) return Continue(header, body);
  if (header.has(FrameFlags::kMore)) return BeginAssembly(header, body);
  if (!assemblies_.empty() && header.lane != Lane::kControl && assemblies_.contains(header.stream)) {
    return absl::DataLossError(
        absl::StrCat("stream ", header.stream, ": a frame among the pieces of another"));
  }
  if (header.length > max_whole_) {
    sink_.OnTooLarge(header, header.length);
    return absl::OkStatus();
  }
  return sink_.OnWholeFrame(header, body.shared ? CopyOut(body) : std::string_view(body.bytes, body.size));
}

std::string_view FrameReader::CopyOut(const FrameBody& body) {
  if (copies_ == nullptr) {
    copies_ = std::make_unique_for_overwrite<char[]>(kCopiesBytes + kReadableBehind);
  }
  if (body.size > kCopiesBytes - copies_used_) {
    // A transport with larger shared frames than ours of today.
    finished_.push_back(TakeBuffer());
    char* bytes = finished_.back().Get(body.size);
    if (bytes == nullptr) throw std::bad_alloc();
    CopyShared(bytes, body.bytes, body.size);
    return {bytes, body.size};
  }
  char* bytes = copies_.get() + copies_used_;
  CopyShared(bytes, body.bytes, body.size);
  copies_used_ += (body.size + 15) & ~size_t{15};
  return {bytes, body.size};
}

absl::Status FrameReader::BeginAssembly(const FrameHeader& header, const FrameBody& body) {
  uint32_t size = 0;
  if (body.size < sizeof size)
    return absl::DataLossError("the first piece of a split frame does not tell its size");
  std::memcpy(&size, body.bytes, sizeof size);
  absl::StatusOr<bool> wanted = sink_.OnSplitBegins(header, size);
  if (!wanted.ok()) return wanted.status();
  if (assemblies_.size() >= max_split_) {
    return absl::DataLossError(absl::StrCat("more than ", max_split_, " split frames at once"));
  }
  auto [found, added] = assemblies_.try_emplace(header.stream);
  if (!added) {
    return absl::DataLossError(
        absl::StrCat("stream ", header.stream, ": a split frame begins within another"));
  }
  Assembly& assembly = found->second;
  assembly.header = header;
  assembly.header.flags &= static_cast<uint8_t>(~FrameFlags::kMore);
  assembly.size = size;
  if (*wanted && size > max_whole_) {
    sink_.OnTooLarge(assembly.header, size);
  } else if (*wanted) {
    assembly.buffer = TakeBuffer();
    assembly.bytes = assembly.buffer.Get(size);
    if (assembly.bytes != nullptr) {
      assembling_bytes_ += size;
    } else {
      sink_.OnTooLarge(assembly.header, size);
    }
  }
  return AddPiece(assembly, body.bytes + sizeof size, body.size - sizeof size, body.shared);
}

absl::Status FrameReader::Continue(const FrameHeader& header, const FrameBody& body) {
  auto found = assemblies_.find(header.stream);
  if (found == assemblies_.end()) {
    return absl::DataLossError(absl::StrCat("stream ", header.stream, ": a continuation of no frame"));
  }
  absl::Status added = AddPiece(found->second, body.bytes, body.size, body.shared);
  if (!added.ok() || header.has(FrameFlags::kMore)) return added;
  return Complete(header.stream);
}

absl::Status FrameReader::AddPiece(Assembly& assembly, const char* bytes, size_t size, bool shared) {
  if (size > assembly.size - assembly.received) {
    return absl::DataLossError(absl::StrCat("stream ", assembly.header.stream, ": pieces of more than the ",
                                            assembly.size, " bytes that the first one told"));
  }
  if (assembly.bytes != nullptr) {
    char* to = assembly.bytes + assembly.received;
    shared ? CopyShared(to, bytes, size) : static_cast<void>(std::memcpy(to, bytes, size));
  }
  if (size == 0 && ++assembly.empty_pieces > kMaxEmptyPieces) {
    return absl::ResourceExhaustedError(absl::StrCat("stream ", assembly.header.stream, ": more than ",
                                                     kMaxEmptyPieces, " empty pieces of a frame"));
  }
  assembly.received += size;
  return absl::OkStatus();
}

absl::Status FrameReader::Complete(uint32_t stream) {
  auto node = assemblies_.extract(stream);
  Assembly& assembly = node.mapped();
  if (assembly.received != assembly.size) {
    return absl::DataLossError(absl::StrCat("stream ", stream, ": pieces of ", assembly.received,
                                            " bytes instead of ", assembly.size));
  }
  if (assembly.bytes == nullptr) return absl::OkStatus();
  assembling_bytes_ -= assembly.size;
  FrameHeader header = assembly.header;
  header.length = static_cast<uint32_t>(assembly.size);
  finished_.push_back(std::move(assembly.buffer));
  return sink_.OnWholeFrame(header, {assembly.bytes, assembly.size});
}

}  // namespace sidecall
