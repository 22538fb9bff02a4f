#include "transport/connection_names.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

#include "absl/strings/str_cat.h"

#include "transport/owner_lock.h"

namespace sidecall {
namespace {

constexpr auto kYoung = std::chrono::seconds(5);
constexpr int kMostNames = 1000;

bool IsDigits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// Whether the file was made in the last seconds: whoever did may not have locked it yet.
bool IsYoungFile(const std::string& path) {
  struct stat made {};
  using std::chrono::system_clock;
  return lstat(path.c_str(), &made) == 0 &&
         system_clock::from_time_t(made.st_ctime) + kYoung > system_clock::now();
}

}  // namespace

std::string NextConnectionName() {
  static std::atomic<uint64_t> connections{0};
  return absl::StrCat(getpid(), "-", ++connections);
}

absl::Status MakeUnderFreeName(absl::FunctionRef<absl::Status(const std::string& name)> make) {
  absl::Status made;
  for (int tried = 0; tried < kMostNames; tried++) {
    made = make(NextConnectionName());
    if (!absl::IsAlreadyExists(made)) return made;
  }
  return absl::PermissionDeniedError(absl::StrCat(
      "the names of ", kMostNames, " connections are taken (", made.message(),
      "): somebody puts files there. Choose an address that only this user may make files beside"));
}

bool IsConnectionName(std::string_view name) {
  const size_t dash = name.find('-');
  return name.size() <= kLongestConnectionName && dash != std::string_view::npos &&
         IsDigits(name.substr(0, dash)) && IsDigits(name.substr(dash + 1));
}

std::set<std::string> ConnectionsBeside(const std::string& path) {
  std::set<std::string> connections;
  const size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const std::string prefix = path.substr(slash == std::string::npos ? 0 : slash + 1) + ".";
  const std::unique_ptr<DIR, int (*)(DIR*)> opened(opendir(directory.c_str()), closedir);
  while (const dirent* entry = opened == nullptr ? nullptr : readdir(opened.get())) {
    const std::string_view file = entry->d_name;
    if (!file.starts_with(prefix)) continue;
    const std::string_view rest = file.substr(prefix.size());
    const std::string_view name = rest.substr(0, rest.find('.'));
    if (IsConnectionName(name)) connections.emplace(name);
  }
  return connections;
}

bool IsLeftBehind(const std::string& locked) {
  const absl::Status owner = OwnerOf(locked, S_IFIFO).status();
  if (!absl::IsNotFound(owner)) return absl::IsUnavailable(owner);
  // Who is about to make it has it under another name; or has, by now, given it this one.
  return !IsYoungFile(locked + ".new") && absl::IsNotFound(OwnerOf(locked, S_IFIFO).status());
}

}  // namespace sidecall
