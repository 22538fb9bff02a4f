#include "tests/unit/hex_vectors.h"

#include <gtest/gtest.h>

#include <cctype>
#include <sstream>

namespace sidecall {
namespace {

constexpr std::string_view kMarker = "<!-- vector: ";
constexpr std::string_view kMarkerEnd = " -->";

// The bytes of one line, up to its remark.
std::string BytesOfLine(const std::string& line) {
  std::string bytes;
  std::istringstream words(line.substr(0, line.find(';')));
  for (std::string word; words >> word;) {
    const bool hex = word.size() == 2 && std::isxdigit(static_cast<unsigned char>(word[0])) != 0 &&
                     std::isxdigit(static_cast<unsigned char>(word[1])) != 0;
    EXPECT_TRUE(hex) << "'" << word << "' is no byte, in: " << line;
    if (hex) bytes += static_cast<char>(std::stoi(word, nullptr, 16));
  }
  return bytes;
}

}  // namespace

HexVectors ReadHexVectors(std::string_view markdown) {
  HexVectors vectors;
  std::istringstream lines{std::string(markdown)};
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(kMarker)) continue;
    EXPECT_TRUE(line.ends_with(kMarkerEnd)) << line;
    const std::string name = line.substr(kMarker.size(), line.size() - kMarker.size() - kMarkerEnd.size());
    std::getline(lines, line);
    EXPECT_EQ(line, "```") << "after the name of vector " << name;
    std::string bytes;
    while (std::getline(lines, line) && line != "```") bytes += BytesOfLine(line);
    EXPECT_TRUE(vectors.emplace(name, bytes).second) << "two vectors are called " << name;
  }
  return vectors;
}

std::string ToHex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i++) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    text += i % 16 == 0 ? '\n' : ' ';
    text += {kDigits[byte / 16], kDigits[byte % 16]};
  }
  return text;
}

}  // namespace sidecall
