// floor/unix: a Unix stream socket with large kernel buffers.
#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>

#include "fd_passing.h"
#include "floor.h"
#include "stream_end.h"
#include "stream_floor.h"
#include "time_calls.h"
#include "window_floor.h"

namespace bench {
namespace {

absl::Status Prepare(int socket, Mode mode) {
  const int bytes = 4 << 20;
  if (setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes) < 0 ||
      setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes) < 0 ||
      (mode == Mode::kHot && fcntl(socket, F_SETFL, O_NONBLOCK) < 0)) {
    return absl::ErrnoToStatus(errno, "options of a socket");
  }
  return absl::OkStatus();
}

auto Sending(StreamEnd& end) {
  return [&end](const EchoMessage& message, bool more) { return end.Send(message, more); };
}

auto Receiving(StreamEnd& end) {
  return [&end](EchoMessage* message) { return end.Receive(message); };
}

class UnixClient final : public WorkerClient {
 public:
  UnixClient(int socket, const WorkerOptions& options)
      : end_(socket, socket), request_(MakeRequest(options.bytes)), work_(options.work) {}

  absl::Status Run(size_t calls, std::vector<int64_t>& nanos) override {
    if (IsWindowWork(work_)) {
      return RunWindowOver(work_, calls, request_, Sending(end_), Receiving(end_));
    }
    if (IsStreamWork(work_)) return StreamMessages(calls, request_, Sending(end_), Receiving(end_));
    absl::Status status;
    const bool all = TimeCalls(calls, nanos, [&] {
      status = end_.Send(request_);
      if (status.ok()) status = end_.Receive(&reply_);
      return status.ok();
    });
    return all ? CheckEcho(request_, reply_) : status;
  }

 private:
  StreamEnd end_;
  EchoMessage request_;
  EchoMessage reply_;
  const std::string work_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<WorkerClient>> ConnectUnix(const WorkerOptions& options) {
  const absl::StatusOr<int> socket = ConnectTo(options.address);
  if (!socket.ok()) return socket.status();
  if (absl::Status status = Prepare(*socket, options.mode); !status.ok()) return status;
  return std::make_unique<UnixClient>(*socket, options);
}

absl::Status ServeUnix(const WorkerOptions& options, const std::function<void()>& ready) {
  const absl::StatusOr<int> socket = AcceptOne(options.address, ready);
  if (!socket.ok()) return socket.status();
  if (absl::Status status = Prepare(*socket, options.mode); !status.ok()) return status;
  StreamEnd end(*socket, *socket);
  if (IsStreamWork(options.work)) return CountMessages(Sending(end), Receiving(end));
  EchoMessage request;
  EchoMessage reply;
  for (;;) {
    absl::Status status = end.Receive(&request);
    if (!status.ok()) return status;
    Echo(request, &reply);
    status = end.Send(reply, end.HasMessage());  // Those that came together are answered together.
    if (!status.ok()) return status;
  }
}

}  // namespace bench
