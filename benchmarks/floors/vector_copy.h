// Copying that does not depend on where things happen to lie in memory.
//
// glibc 2.36 copies with `rep movsb` on AMD Zen, which is 16 times slower where (to - from) mod 4096 is 1 to
// 15 (glibc bug 30994). A floor that meets such a pair by luck of the allocator is no floor, so it copies
// with a loop of its own where it can, and keeps its buffers clear of protobuf's strings where protobuf does
// the copying.
#ifndef SIDECALL_BENCHMARKS_FLOORS_VECTOR_COPY_H_
#define SIDECALL_BENCHMARKS_FLOORS_VECTOR_COPY_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace bench {

inline void VectorCopy(char* to, const char* from, size_t bytes) {
  using Vector [[gnu::vector_size(32), gnu::aligned(1), gnu::may_alias]] = long long;
  size_t at = 0;
  for (; at + 64 <= bytes; at += 64) {
    const Vector first = *reinterpret_cast<const Vector*>(from + at);
    const Vector second = *reinterpret_cast<const Vector*>(from + at + 32);
    *reinterpret_cast<Vector*>(to + at) = first;
    *reinterpret_cast<Vector*>(to + at + 32) = second;
  }
  std::memcpy(to + at, from + at, bytes - at);
}

// A reused buffer that moves half a page aside where it lies badly to the string that is copied from or to
// it.
class ShiftingBuffer {
 public:
  // Valid until the next call. Holds what it held where `bytes` did not grow.
  char* Reserve(size_t bytes) {
    if (bytes_.size() < bytes + kSpare) bytes_.resize(bytes + kSpare);
    return bytes_.data() + shift_;
  }

  // `string` was just copied to or from `place` in this buffer: REQUIRES that the buffer's content is done
  // with.
  void KeepClearOf(const char* string, size_t bytes, const char* place) {
    if (bytes < kPage) return;
    const uintptr_t gap = reinterpret_cast<uintptr_t>(string) - reinterpret_cast<uintptr_t>(place);
    // Near in either direction, as this buffer may be the source or the destination.
    if (((gap + kNear) & (kPage - 1)) < 2 * kNear) shift_ = (shift_ + kPage / 2) & (kPage - 1);
  }

 private:
  static constexpr size_t kPage = 4096;
  static constexpr size_t kNear = 256;
  static constexpr size_t kSpare = 2 * kPage;

  std::vector<char> bytes_;
  size_t shift_ = 0;
};

}  // namespace bench

#endif  // SIDECALL_BENCHMARKS_FLOORS_VECTOR_COPY_H_
