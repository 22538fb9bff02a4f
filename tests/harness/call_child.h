// Child: this executable, run again in another role, told what to do and answering line by line over a
// socket.
//
// It dies with the test, and ends by itself when the test closes the socket.
#ifndef SIDECALL_TESTS_HARNESS_CALL_CHILD_H_
#define SIDECALL_TESTS_HARNESS_CALL_CHILD_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

namespace conformance {

// Lines over a socket. One thread.
class LineSocket {
 public:
  explicit LineSocket(int fd) : fd_(fd) {}
  ~LineSocket();
  LineSocket(const LineSocket&) = delete;
  LineSocket& operator=(const LineSocket&) = delete;

  void Send(const std::string& line) const;
  // "" where the other end is gone or, if there is a limit, silent for so long.
  std::string Receive(int limit_ms = -1);
  // To wait on: readable where Receive has not read all.
  int descriptor() const { return fd_; }

 private:
  const int fd_;
  std::string received_;
};

class Child {
 public:
  // Runs this executable as `program --child-role <arguments>`. Null where it cannot be started. Call from a
  // thread that outlives the child.
  static std::unique_ptr<Child> Start(const std::vector<std::string>& arguments);
  // Closes the socket, and waits for the end, within kPatience. The test fails where that is none or, unless
  // it was killed, not exit(0): sanitizers speak that way.
  ~Child();

  pid_t pid() const { return pid_; }
  void Send(const std::string& line) const { lines_->Send(line); }
  // "" where it has died, or is silent for kPatience.
  std::string Receive();
  // Sends a line, and gives the next one that comes back.
  std::string Ask(const std::string& line);
  void Kill();

 private:
  Child(pid_t pid, int fd) : pid_(pid), lines_(std::make_unique<LineSocket>(fd)) {}

  const pid_t pid_;
  bool killed_ = false;
  std::unique_ptr<LineSocket> lines_;
};

// What a child does instead of running tests. Takes what follows --child-role on the command line, and the
// socket.
int RunChildRole(const std::vector<std::string>& arguments, LineSocket& test);

// main() of every test executable: runs the tests, or the role that the command line names.
int TestOrChildMain(int argc, char** argv);

}  // namespace conformance

#endif  // SIDECALL_TESTS_HARNESS_CALL_CHILD_H_
