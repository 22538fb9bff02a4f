#include "transports/exec/greeting.h"

#include <unistd.h>

#include <cerrno>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "transport/errno_status.h"
#include "transports/exec/parent_variable.h"

namespace sidecall {

absl::Status EndedBeforeGreeting(const ChildRecord& child, int64_t deadline_nanos) {
  const auto end = child.AwaitEnd(deadline_nanos);
  return absl::UnavailableError(absl::StrCat(
      child.ToString(), " ", end.has_value() ? end->how : "closed its pipes",
      " before it greeted its parent. It must call sidecall::ParentAddress() and serve, or call, there"));
}

absl::StatusOr<bool> Greeting::ReadFrom(int in, const ChildRecord& child) {
  while (line_.empty() || line_.back() != '\n') {
    char byte = 0;
    const ssize_t size = read(in, &byte, 1);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return false;
    if (size < 0) return ErrnoStatus(errno, "read from " + child.ToString());
    if (size == 0) return absl::UnavailableError(child.ToString() + " closed its pipes");
    line_.push_back(byte);
    if (line_.size() > kLongestGreeting) break;
  }
  const absl::Status checked = Check(child);
  if (!checked.ok()) return checked;
  return true;
}

absl::Status Greeting::Check(const ChildRecord& child) const {
  if (line_ == GreetingOf(cookie_)) return absl::OkStatus();
  if (!line_.starts_with(kChildGreeting)) {
    return absl::FailedPreconditionError(absl::StrCat(child.ToString(),
                                                      " is no program that calls ParentAddress: it wrote '",
                                                      absl::CEscape(line_), "' to descriptor ", kChildsOut));
  }
  const std::string version = absl::StrCat(std::string(kChildGreeting), kChildVersion, " ");
  if (!line_.starts_with(version)) {
    return absl::FailedPreconditionError(
        absl::StrCat(child.ToString(), " speaks another version than this process's ", kChildVersion, " ('",
                     absl::CEscape(line_), "'). Build both anew"));
  }
  return absl::FailedPreconditionError(
      absl::StrCat(child.ToString(), " greets another parent: its cookie is not the one that it was given"));
}

}  // namespace sidecall
