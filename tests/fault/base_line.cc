#include "base_line.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <utility>

#include "call_patience.h"

namespace fault {
namespace {

using conformance::kPatience;

void AddFiles(const std::string& directory, const std::string& with, std::set<std::string>& files) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(directory, ignored)) {
    const std::string path = entry.path().string();
    if (entry.path().filename().string().find(with) != std::string::npos) files.insert(path);
  }
}

// What `first` has and `second` has not.
std::string Without(const std::set<std::string>& first, const std::set<std::string>& second) {
  std::string text;
  for (const std::string& name : first) {
    if (second.count(name) == 0) text += " " + name;
  }
  return text;
}

}  // namespace

std::set<std::string> FilesOf(const std::string& directory) {
  std::set<std::string> files;
  AddFiles(directory, "", files);
  // Other tests have theirs there at the same time.
  const std::string own = std::filesystem::path(directory).filename().string();
  AddFiles("/dev/shm", own, files);
  AddFiles("/dev/mqueue", own, files);
  return files;
}

// Once it holds still: a sanitizer's check of a pointer, for one, has a pipe for a moment.
BaseLine BaseLine::Take(pid_t pid, const std::string& directory, size_t spare_threads) {
  constexpr int kLooks = 3;
  constexpr int kApartMs = 3;
  const auto limit = std::chrono::steady_clock::now() + kPatience;
  BaseLine line(pid, directory, spare_threads);
  int alike = 0;
  do {
    ProcessFigures figures = ProcessFigures::Of(pid);
    std::set<std::string> files = FilesOf(directory);
    alike = figures == line.figures_ && files == line.files_ ? alike + 1 : 1;
    line.figures_ = std::move(figures);
    line.files_ = std::move(files);
    if (alike < kLooks) poll(nullptr, 0, kApartMs);
  } while (alike < kLooks && std::chrono::steady_clock::now() < limit);
  return line;
}

std::string BaseLine::Difference() const {
  const char state = StateOf(pid_);
  if (state == '\0' || state == 'Z') return "the process is gone";
  const ProcessFigures now = ProcessFigures::Of(pid_);
  std::string text;
  if (now.descriptors != figures_.descriptors || now.memory_mappings != figures_.memory_mappings ||
      now.shared_mappings != figures_.shared_mappings || now.threads > figures_.threads + spare_threads_) {
    text = "it had " + figures_.ToString() + "; now it has " + now.ToString();
  }
  const std::set<std::string> files = FilesOf(directory_);
  if (files != files_)
    text += "; files are new:" + Without(files, files_) + ", gone:" + Without(files_, files);
  return text;
}

testing::AssertionResult BaseLine::IsBack() const {
  const auto limit = std::chrono::steady_clock::now() + kPatience;
  std::string difference;
  do {
    difference = Difference();
    if (difference.empty()) return testing::AssertionSuccess();
    poll(nullptr, 0, 5);
  } while (std::chrono::steady_clock::now() < limit);
  return testing::AssertionFailure() << "process " << pid_ << ": " << difference;
}

testing::AssertionResult BaseLine::IsIdle() const {
  constexpr int kApartMs = 30;
  const auto limit = std::chrono::steady_clock::now() + kPatience;
  uint64_t before = CpuNanosOf(pid_);
  do {
    poll(nullptr, 0, kApartMs);
    const uint64_t now = CpuNanosOf(pid_);
    if (now == std::exchange(before, now)) return testing::AssertionSuccess();
  } while (std::chrono::steady_clock::now() < limit);
  return testing::AssertionFailure() << "process " << pid_ << " uses CPU without end, and has nothing to do";
}

}  // namespace fault
