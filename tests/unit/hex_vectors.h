// HexVectors: the byte examples of docs/protocol.md, by name.
//
//   <!-- vector: ping -->
//   ```
//   00 00 00 00 09 00 01 00  ; remark
//   ```
#ifndef SIDECALL_TESTS_UNIT_HEX_VECTORS_H_
#define SIDECALL_TESTS_UNIT_HEX_VECTORS_H_

#include <map>
#include <string>
#include <string_view>

namespace sidecall {

using HexVectors = std::map<std::string, std::string, std::less<>>;

// Every example of the text. What is malformed in it becomes a test failure.
HexVectors ReadHexVectors(std::string_view markdown);

// "68 69", 16 bytes a line.
std::string ToHex(std::string_view bytes);

}  // namespace sidecall

#endif  // SIDECALL_TESTS_UNIT_HEX_VECTORS_H_
