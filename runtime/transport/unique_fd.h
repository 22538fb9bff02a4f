// UniqueFd: a file descriptor that is closed when its owner goes.
#ifndef SIDECALL_TRANSPORT_UNIQUE_FD_H_
#define SIDECALL_TRANSPORT_UNIQUE_FD_H_

#include <unistd.h>

#include <utility>

namespace sidecall {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd() {
    if (fd_ >= 0) close(fd_);
  }

  int get() const { return fd_; }
  // The caller's from now on.
  int Release() { return std::exchange(fd_, -1); }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORT_UNIQUE_FD_H_
