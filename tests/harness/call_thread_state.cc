#include "call_thread_state.h"

#include <sched.h>
#include <unistd.h>

#include <fstream>
#include <string>

namespace conformance {

char StateOfThread(pid_t process, pid_t thread) {
  std::ifstream stat("/proc/" + std::to_string(process) + "/task/" + std::to_string(thread) + "/stat");
  std::string text;
  std::getline(stat, text);
  // "pid (name) state ...", and the name may hold anything.
  const size_t name_end = text.rfind(')');
  return name_end == std::string::npos || name_end + 2 >= text.size() ? '\0' : text[name_end + 2];
}

void AwaitSleepOf(const std::atomic<pid_t>& thread) {
  while (StateOfThread(getpid(), thread.load()) != 'S') sched_yield();
}

}  // namespace conformance
