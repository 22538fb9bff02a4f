// Shown: what a peer sent, fit for a message that people read.
#ifndef SIDECALL_CORE_SHOWN_H_
#define SIDECALL_CORE_SHOWN_H_

#include <algorithm>
#include <string>
#include <string_view>

namespace sidecall {

inline std::string Shown(std::string_view text) {
  constexpr size_t kLongest = 256;
  std::string shown(text.substr(0, kLongest));
  std::replace_if(
      shown.begin(), shown.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return shown;
}

}  // namespace sidecall

#endif  // SIDECALL_CORE_SHOWN_H_
