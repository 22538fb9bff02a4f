#include "process_figures.h"

#include <dirent.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <csignal>
#include <fstream>
#include <regex>
#include <sstream>

#include "call_patience.h"
#include "call_thread_state.h"

namespace fault {
namespace {

std::string ProcPath(pid_t pid, const std::string& name) {
  return "/proc/" + std::to_string(pid) + "/" + name;
}

// The entries of a directory of /proc that may change meanwhile.
std::vector<std::string> EntriesOf(const std::string& path) {
  std::vector<std::string> names;
  DIR* directory = opendir(path.c_str());
  if (directory == nullptr) return names;
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  closedir(directory);
  return names;
}

}  // namespace

ProcessFigures ProcessFigures::Of(pid_t pid) {
  ProcessFigures figures;
  const std::string directory = ProcPath(pid, "fd");
  for (const std::string& number : EntriesOf(directory)) {
    char target[PATH_MAX];
    const ssize_t length = readlink((directory + "/" + number).c_str(), target, sizeof target);
    if (length <= 0) continue;
    const std::string kind(target, static_cast<size_t>(length));
    // The FIFOs and queues of one connection are as good as those of another.
    static const std::regex of_connection("\\.[0-9]+-[0-9]+\\.");
    const bool numbered = kind.find(":[") != std::string::npos && kind.rfind("anon_inode", 0) != 0;
    const std::string name = std::regex_replace(kind, of_connection, ".");
    figures.descriptors[numbered ? kind.substr(0, kind.find(':')) : name]++;
  }
  std::ifstream maps(ProcPath(pid, "maps"));
  for (std::string line; std::getline(maps, line);) {
    std::istringstream words(line);
    std::string range;
    std::string permissions;
    words >> range >> permissions;
    if (permissions.size() == 4 && permissions[3] == 's') figures.shared_mappings++;
    if (line.find("/memfd:") != std::string::npos) figures.memory_mappings++;
  }
  figures.threads = ThreadsOf(pid).size();
  return figures;
}

std::string ProcessFigures::ToString() const {
  std::ostringstream out;
  for (const auto& [kind, count] : descriptors) out << count << " x " << kind << ", ";
  out << memory_mappings << " mappings of memfds, " << shared_mappings << " shared ones, " << threads
      << " threads";
  return out.str();
}

uint64_t MemoryOf(pid_t pid, const std::string& key) {
  std::ifstream status(ProcPath(pid, "status"));
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(key + ":", 0) == 0) return std::stoull(line.substr(key.size() + 1)) << 10;
  }
  return 0;
}

char StateOf(pid_t pid) {
  return conformance::StateOfThread(pid, pid);
}

bool Stop(pid_t pid) {
  kill(pid, SIGSTOP);
  const auto limit = std::chrono::steady_clock::now() + conformance::kPatience;
  while (std::chrono::steady_clock::now() < limit) {
    const std::vector<pid_t> threads = ThreadsOf(pid);
    if (std::all_of(threads.begin(), threads.end(),
                    [pid](pid_t thread) { return conformance::StateOfThread(pid, thread) == 'T'; })) {
      return true;
    }
    poll(nullptr, 0, 1);
  }
  return false;
}

std::vector<pid_t> ThreadsOf(pid_t pid) {
  std::vector<pid_t> threads;
  for (const std::string& name : EntriesOf(ProcPath(pid, "task"))) threads.push_back(std::stoi(name));
  return threads;
}

uint64_t CpuNanosOf(pid_t pid) {
  uint64_t sum = 0;
  for (const pid_t thread : ThreadsOf(pid)) {
    if (thread == gettid()) continue;
    const std::string directory = ProcPath(pid, "task/" + std::to_string(thread));
    uint64_t nanos = 0;
    if (std::ifstream exact(directory + "/schedstat"); exact >> nanos) {
      sum += nanos;
      continue;
    }
    // A kernel without schedstat: clock ticks, of which an idle process uses none either.
    std::ifstream file(directory + "/stat");
    std::string text;
    std::getline(file, text);
    const size_t name_end = text.rfind(')');
    if (name_end == std::string::npos) continue;
    std::istringstream words(text.substr(name_end + 1));
    std::string word;
    uint64_t user = 0;
    uint64_t system = 0;
    for (int i = 0; i < 11; i++) words >> word;
    words >> user >> system;
    sum += (user + system) * 1'000'000'000 / static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
  }
  return sum;
}

}  // namespace fault
