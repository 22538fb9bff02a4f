// Copies out of memory that a peer may be writing to.
#ifndef SIDECALL_TRANSPORT_SHARED_COPY_H_
#define SIDECALL_TRANSPORT_SHARED_COPY_H_

#include <cstddef>
#include <cstring>

namespace sidecall {

// The first and the last kPiece bytes of `size`, which is from kPiece to twice that.
template <size_t kPiece>
inline void CopyEnds(char* to, const char* from, size_t size) {
  std::memcpy(to, from, kPiece);
  std::memcpy(to + size - kPiece, from + size - kPiece, kPiece);
}

// A plain vector loop: glibc 2.36's memcpy on AMD Zen takes `rep movsb` for 4 KiB and more, which is 16 times
// slower where the two addresses are 1 to 15 apart modulo 4096 (glibc bug 30994).
inline void CopyShared(char* to, const char* from, size_t size) {
  using Vector [[gnu::vector_size(32), gnu::aligned(1), gnu::may_alias]] = long long;
  size_t at = 0;
  for (; at + 64 <= size; at += 64) {
    const Vector first = *reinterpret_cast<const Vector*>(from + at);
    const Vector second = *reinterpret_cast<const Vector*>(from + at + 32);
    *reinterpret_cast<Vector*>(to + at) = first;
    *reinterpret_cast<Vector*>(to + at + 32) = second;
  }
  // What is left, without a call: two halves that overlap, in the largest pieces that fit.
  const size_t left = size - at;
  to += at;
  from += at;
  if (left >= 32) {
    CopyEnds<32>(to, from, left);
  } else if (left >= 16) {
    CopyEnds<16>(to, from, left);
  } else if (left >= 8) {
    CopyEnds<8>(to, from, left);
  } else {
    for (size_t i = 0; i < left; i++) to[i] = from[i];
  }
}

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORT_SHARED_COPY_H_
