// Copies out of memory that a peer may be writing to.
#ifndef SIDECALL_TRANSPORT_SHARED_COPY_H_
#define SIDECALL_TRANSPORT_SHARED_COPY_H_

#include <cstddef>
#include <cstring>

namespace sidecall {

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
  std::memcpy(to + at, from + at, size - at);
}

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORT_SHARED_COPY_H_
