// floor/shm: a ring each way in a memfd; eventfds to sleep on where polling is off.
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "fd_passing.h"
#include "floor.h"
#include "ring.h"
#include "stream_floor.h"
#include "time_calls.h"
#include "window_floor.h"

namespace bench {
namespace {

struct SharedMemory {
  Ring requests;
  Ring replies;
};

absl::StatusOr<SharedMemory*> Map(int memfd) {
  void* memory =
      mmap(nullptr, sizeof(SharedMemory), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, memfd, 0);
  if (memory == MAP_FAILED) return absl::ErrnoToStatus(errno, "mmap of the rings");
  return static_cast<SharedMemory*>(memory);
}

// What the server hands to the client: the memory, and the bell of each ring.
enum Descriptor { kMemory, kRequestBell, kReplyBell, kDescriptors };
using Descriptors = std::array<int, kDescriptors>;

absl::StatusOr<Descriptors> MakeDescriptors() {
  const Descriptors made = {memfd_create("sidecall_bench", MFD_CLOEXEC), eventfd(0, EFD_CLOEXEC),
                            eventfd(0, EFD_CLOEXEC)};
  for (const int fd : made) {
    if (fd < 0) return absl::ErrnoToStatus(errno, "memfd_create or eventfd");
  }
  if (ftruncate(made[kMemory], sizeof(SharedMemory)) < 0)
    return absl::ErrnoToStatus(errno, "ftruncate of the rings");
  return made;
}

int BellOf(Mode mode, int eventfd) {
  return mode == Mode::kHot ? kNoBell : eventfd;
}

auto Sending(RingWriter& writer) {
  return [&writer](const EchoMessage& message, bool /*more*/) {
    writer.Send(message);
    return absl::OkStatus();
  };
}

auto Receiving(RingReader& reader) {
  return [&reader](EchoMessage* message) {
    reader.Receive(message);
    return absl::OkStatus();
  };
}

class ShmClient final : public WorkerClient {
 public:
  ShmClient(SharedMemory& memory, const Descriptors& fds, const WorkerOptions& options)
      : writer_(memory.requests, BellOf(options.mode, fds[kRequestBell])),
        reader_(memory.replies, BellOf(options.mode, fds[kReplyBell])),
        request_(MakeRequest(options.bytes)),
        work_(options.work) {}

  absl::Status Run(size_t calls, std::vector<int64_t>& nanos) override {
    if (IsWindowWork(work_)) {
      return RunWindowOver(work_, calls, request_, Sending(writer_), Receiving(reader_));
    }
    if (IsStreamWork(work_)) return StreamMessages(calls, request_, Sending(writer_), Receiving(reader_));
    TimeCalls(calls, nanos, [this] {
      writer_.Send(request_);
      reader_.Receive(&reply_);
      return true;
    });
    return CheckEcho(request_, reply_);
  }

 private:
  RingWriter writer_;
  RingReader reader_;
  EchoMessage request_;
  EchoMessage reply_;
  const std::string work_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<WorkerClient>> ConnectShm(const WorkerOptions& options) {
  const absl::StatusOr<int> socket = ConnectTo(options.address);
  if (!socket.ok()) return socket.status();
  Descriptors fds;
  if (absl::Status status = ReceiveFds(*socket, fds); !status.ok()) return status;
  const absl::StatusOr<SharedMemory*> memory = Map(fds[kMemory]);
  if (!memory.ok()) return memory.status();
  return std::make_unique<ShmClient>(**memory, fds, options);
}

absl::Status ServeShm(const WorkerOptions& options, const std::function<void()>& ready) {
  const absl::StatusOr<Descriptors> fds = MakeDescriptors();
  if (!fds.ok()) return fds.status();
  const absl::StatusOr<SharedMemory*> memory = Map((*fds)[kMemory]);
  if (!memory.ok()) return memory.status();
  const absl::StatusOr<int> socket = AcceptOne(options.address, ready);
  if (!socket.ok()) return socket.status();
  if (absl::Status status = SendFds(*socket, *fds); !status.ok()) return status;

  RingReader reader((*memory)->requests, BellOf(options.mode, (*fds)[kRequestBell]));
  RingWriter writer((*memory)->replies, BellOf(options.mode, (*fds)[kReplyBell]));
  if (IsStreamWork(options.work)) return CountMessages(Sending(writer), Receiving(reader));
  EchoMessage request;
  EchoMessage reply;
  for (;;) {
    reader.Receive(&request);
    Echo(request, &reply);
    writer.Send(reply);
  }
}

}  // namespace bench
