#include "call_child.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "call_patience.h"
#include "call_plugin.h"

namespace conformance {
namespace {

constexpr char kRoleFlag[] = "--child-role";
constexpr int kPatienceMs = std::chrono::milliseconds(kPatience).count();

}  // namespace

LineSocket::~LineSocket() {
  close(fd_);
}

void LineSocket::Send(const std::string& line) const {
  const std::string text = line + "\n";
  (void)!send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
}

std::string LineSocket::Receive(int limit_ms) {
  for (;;) {
    const size_t end = received_.find('\n');
    if (end != std::string::npos) {
      std::string line = received_.substr(0, end);
      received_.erase(0, end + 1);
      return line;
    }
    pollfd readable{.fd = fd_, .events = POLLIN, .revents = 0};
    const int ready = poll(&readable, 1, limit_ms);
    if (ready < 0 && errno == EINTR) continue;
    char bytes[512];
    const ssize_t size = ready > 0 ? read(fd_, bytes, sizeof bytes) : 0;
    if (size <= 0) return "";
    received_.append(bytes, static_cast<size_t>(size));
  }
}

std::unique_ptr<Child> Child::Start(const std::vector<std::string>& arguments) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return nullptr;
  // The child's end under a number that the parent's other threads cannot leak: it is only made in the child.
  constexpr int kChildFd = 100;
  std::vector<std::string> words = {"/proc/self/exe", kRoleFlag, std::to_string(kChildFd),
                                    std::to_string(getpid())};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], kChildFd);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, "/proc/self/exe", &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (error == 0) return std::unique_ptr<Child>(new Child(pid, ends[0]));
  close(ends[0]);
  return nullptr;
}

Child::~Child() {
  lines_.reset();
  int status = -1;
  const auto limit = std::chrono::steady_clock::now() + kPatience;
  while (waitpid(pid_, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > limit) {
      ADD_FAILURE() << "process " << pid_ << " does not end by itself";
      Kill();
      waitpid(pid_, &status, 0);
      return;
    }
    poll(nullptr, 0, 2);
  }
  if (killed_) return;
  EXPECT_EQ(status, 0) << "wait status of process " << pid_;
}

std::string Child::Receive() {
  return lines_->Receive(kPatienceMs);
}

std::string Child::Ask(const std::string& line) {
  Send(line);
  return Receive();
}

void Child::Kill() {
  killed_ = true;
  kill(pid_, SIGKILL);
}

int TestOrChildMain(int argc, char** argv) {
  const std::vector<std::string> words(argv, argv + argc);
  if (words.size() == 3 && words[1] == kPluginFlag) return RunPluginRole(words[2]);
  if (words.size() < 5 || words[1] != kRoleFlag) {
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != std::atoi(words[3].c_str())) return 1;
  const int fd = std::atoi(words[2].c_str());
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  LineSocket test(fd);
  return RunChildRole({words.begin() + 4, words.end()}, test);
}

}  // namespace conformance
