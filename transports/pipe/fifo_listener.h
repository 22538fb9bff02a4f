// FifoListener: a server's rendezvous FIFO, from which it reads who wants to connect.
#ifndef SIDECALL_TRANSPORTS_PIPE_FIFO_LISTENER_H_
#define SIDECALL_TRANSPORTS_PIPE_FIFO_LISTENER_H_

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "transport/owner_lock.h"
#include "transport/transport.h"
#include "transport/unique_fd.h"

namespace sidecall {

class FifoListener final : public Listener {
 public:
  // Makes the FIFO, in place of one whose server has died. Errors as Transport::Listen.
  static absl::StatusOr<std::unique_ptr<Listener>> Listen(const std::string& path);
  ~FifoListener() override;

  absl::StatusOr<std::unique_ptr<Connection>> Accept() override;
  int descriptor() const override { return fifo_.get(); }

 private:
  FifoListener(std::string path, UniqueFd fifo, std::unique_ptr<OwnerLock> owner)
      : path_(std::move(path)), fifo_(std::move(fifo)), owner_(std::move(owner)), process_(getpid()) {}

  // Reads once. False where nothing is there.
  bool ReadRequests();
  // The first whole request that was read, without its newline.
  std::optional<std::string_view> FirstRequest() const;
  void RemoveFirstRequest() { requests_.erase(0, requests_.find('\n') + 1); }
  absl::StatusOr<std::unique_ptr<Connection>> Meet(std::string_view line);

  const std::string path_;
  const UniqueFd fifo_;
  const std::unique_ptr<OwnerLock> owner_;
  const pid_t process_;
  std::string requests_;  // read, and not answered yet; the last may not be whole
};

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_PIPE_FIFO_LISTENER_H_
