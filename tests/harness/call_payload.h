// Payloads whose every byte matters: made from a seed, told apart by a checksum.
#ifndef SIDECALL_TESTS_HARNESS_CALL_PAYLOAD_H_
#define SIDECALL_TESTS_HARNESS_CALL_PAYLOAD_H_

#include <cstdint>
#include <cstring>
#include <string>

namespace conformance {

// `size` bytes, the same for the same seed (xorshift64*).
inline std::string RandomPayload(size_t size, uint64_t seed) {
  std::string payload(size, '\0');
  uint64_t state = seed * 0x9e3779b97f4a7c15 + 1;
  for (size_t at = 0; at < size; at += sizeof state) {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    const uint64_t word = state * 0x2545f4914f6cdd1d;
    std::memcpy(payload.data() + at, &word, size - at < sizeof word ? size - at : sizeof word);
  }
  return payload;
}

// Depends on each byte and its place.
inline uint64_t Checksum(const std::string& payload) {
  uint64_t sum = payload.size();
  for (size_t at = 0; at < payload.size(); at += sizeof sum) {
    uint64_t word = 0;
    std::memcpy(&word, payload.data() + at,
                payload.size() - at < sizeof word ? payload.size() - at : sizeof word);
    sum = (sum ^ word) * 0x100000001b3 + (sum >> 29);
  }
  return sum;
}

}  // namespace conformance

#endif  // SIDECALL_TESTS_HARNESS_CALL_PAYLOAD_H_
