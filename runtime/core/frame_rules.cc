#include "core/frame_rules.h"

#include "absl/strings/str_cat.h"

namespace sidecall {

absl::Status BrokenFrameRule(const FrameHeader& header) {
  const auto type = static_cast<size_t>(header.type);
  if (type >= kFrameRules.size() || !kFrameRules[type].known) {
    return absl::DataLossError(absl::StrCat("a frame of type ", type, ", which there is not"));
  }
  const FrameRule& rule = kFrameRules[type];
  return absl::DataLossError(absl::StrCat("a frame of type ", type, " with flags ", header.flags, ", lane ",
                                          static_cast<int>(header.lane), ", ", header.fd_count,
                                          " descriptors and ", header.length, " bytes: its flags may be of ",
                                          rule.flags, ", its lane is ", static_cast<int>(rule.lane),
                                          ", it has no descriptors", rule.has_body ? "" : " and no body"));
}

}  // namespace sidecall
