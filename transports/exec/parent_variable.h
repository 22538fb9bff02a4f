// What a parent tells its child in the environment, and what the child answers with: that both speak of the
// same, and that the child was started by this parent.
//
//   SIDECALL_PARENT="1 3 4 9f86d081884c7d65"      version, descriptor to read from, to write to, cookie
//   "sidecall-child 1 9f86d081884c7d65\n"         the first line that the child writes
#ifndef SIDECALL_TRANSPORTS_EXEC_PARENT_VARIABLE_H_
#define SIDECALL_TRANSPORTS_EXEC_PARENT_VARIABLE_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace sidecall {

inline constexpr char kParentVariable[] = "SIDECALL_PARENT";
inline constexpr int kChildVersion = 1;
inline constexpr int kChildsIn = 3;
inline constexpr int kChildsOut = 4;
inline constexpr std::string_view kChildGreeting = "sidecall-child ";
inline constexpr size_t kLongestGreeting = 64;

inline std::string ParentVariable(const std::string& cookie) {
  return absl::StrCat(kParentVariable, "=", kChildVersion, " ", kChildsIn, " ", kChildsOut, " ", cookie);
}
inline std::string GreetingOf(const std::string& cookie) {
  return absl::StrCat(std::string(kChildGreeting), kChildVersion, " ", cookie, "\n");
}

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_EXEC_PARENT_VARIABLE_H_
