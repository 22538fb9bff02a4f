#include "transport/event_loop.h"

#include <atomic>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "transport/logging.h"

namespace sidecall {

absl::StatusOr<std::unique_ptr<EventLoop>> MakeEventLoop() {
  const char* wanted = std::getenv("SIDECALL_EVENT_LOOP");
  if (wanted != nullptr && std::string_view(wanted) == "io_uring") {
    auto loop = MakeIoUringEventLoop();
    if (loop.ok()) return loop;
    static std::atomic<bool> told{false};
    if (!told.exchange(true)) {
      Log(LogLevel::kWarning, absl::StrCat(loop.status().ToString(), "; epoll serves instead"));
    }
  }
  return MakeEpollEventLoop();
}

}  // namespace sidecall
