// ProcessFigures: what a process holds (descriptors, shared mappings, threads), read from /proc: for telling
// whether it is back where it was.
#ifndef SIDECALL_TESTS_FAULT_PROCESS_FIGURES_H_
#define SIDECALL_TESTS_FAULT_PROCESS_FIGURES_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace fault {

struct ProcessFigures {
  std::map<std::string, int> descriptors;  // by kind: "socket", "anon_inode:[eventfd]", ...
  size_t memory_mappings = 0;              // of memfds
  size_t shared_mappings = 0;
  size_t threads = 0;

  static ProcessFigures Of(pid_t pid);
  std::string ToString() const;
  bool operator==(const ProcessFigures&) const = default;
};

// Field `key` of /proc/PID/status in bytes: "RssAnon", "VmPeak", "VmSize".
uint64_t MemoryOf(pid_t pid, const std::string& key);
// R, S, T, Z, ... of the main thread; 0 where there is no such process.
char StateOf(pid_t pid);
// SIGSTOP, and until all of its threads have stopped. False where that takes longer than kPatience.
bool Stop(pid_t pid);
std::vector<pid_t> ThreadsOf(pid_t pid);
// CPU time of all threads but the caller's, in nanoseconds.
uint64_t CpuNanosOf(pid_t pid);

}  // namespace fault

#endif  // SIDECALL_TESTS_FAULT_PROCESS_FIGURES_H_
