// BaseLine: what holds again after every row of the fault matrix, however the row went.
//
//   const BaseLine before = BaseLine::Take(server_pid, directory);
//   ... provoke ...
//   EXPECT_TRUE(before.IsBack());          // waits for it, at most kPatience
//   EXPECT_TRUE(before.IsIdle());          // no busy loop
#ifndef SIDECALL_TESTS_FAULT_BASE_LINE_H_
#define SIDECALL_TESTS_FAULT_BASE_LINE_H_

#include <gtest/gtest.h>
#include <sys/types.h>

#include <set>
#include <string>

#include "process_figures.h"

namespace fault {

// What the test's directory holds, and of what bears its name in /dev/shm and /dev/mqueue. Others' come and
// go there.
std::set<std::string> FilesOf(const std::string& directory);

class BaseLine {
 public:
  // Of the process `pid`, and of the test's directory. `spare_threads`: how many more it may have afterwards.
  // A server keeps the threads that its handlers once needed at the same time, up to max_handler_threads, for
  // the next time, and one that reads while all are in handlers: those are no leak, and so a server's is
  // max_handler_threads (it starts with one). A client's is 0.
  static BaseLine Take(pid_t pid, const std::string& directory, size_t spare_threads);

  // The same process lives, with the same descriptors, mappings and threads; /dev/shm, /dev/mqueue and the
  // directory hold what they held. Of the first two only names with the directory's in them are looked at:
  // others' come and go there.
  testing::AssertionResult IsBack() const;
  // It uses no CPU: two looks, some tens of milliseconds apart, that find the same CPU time.
  testing::AssertionResult IsIdle() const;

 private:
  BaseLine(pid_t pid, std::string directory, size_t spare_threads)
      : pid_(pid), directory_(std::move(directory)), spare_threads_(spare_threads) {}
  // What is not as it was; "" where all is.
  std::string Difference() const;

  pid_t pid_;
  std::string directory_;
  size_t spare_threads_;
  ProcessFigures figures_;
  std::set<std::string> files_;
};

}  // namespace fault

#endif  // SIDECALL_TESTS_FAULT_BASE_LINE_H_
