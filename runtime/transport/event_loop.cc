#include "transport/event_loop.h"

#include <cstdio>
#include <cstdlib>
#include <string>

namespace sidecall {

absl::StatusOr<std::unique_ptr<EventLoop>> MakeEventLoop() {
  const char* wanted = std::getenv("SIDECALL_EVENT_LOOP");
  if (wanted != nullptr && std::string_view(wanted) == "io_uring") {
    auto loop = MakeIoUringEventLoop();
    if (loop.ok()) return loop;
    static const bool told = [&] {
      std::fprintf(stderr, "sidecall: %s; epoll serves instead\n", loop.status().ToString().c_str());
      return true;
    }();
    (void)told;
  }
  return MakeEpollEventLoop();
}

}  // namespace sidecall
