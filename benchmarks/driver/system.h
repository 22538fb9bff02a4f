// System: something that can do the work of a case, in two processes of one worker program.
#ifndef SIDECALL_BENCHMARKS_DRIVER_SYSTEM_H_
#define SIDECALL_BENCHMARKS_DRIVER_SYSTEM_H_

#include <string>
#include <string_view>
#include <vector>

#include "case.h"

namespace bench {

struct System {
  std::string name = {};     // "sidecall/shm"
  std::string program = {};  // beside this one's
  std::string transport = {};
  std::vector<std::string> works = {};
  std::string floor = {};  // the system that it is compared with; none for a floor
  // Each side on a CPU of its own in hot mode too: for systems of one thread a side. What has helpers, or
  // looks at its affinity to decide whether polling pays, gets both CPUs there.
  bool pinned = false;
  bool deadline = false;                // every call has one
  bool stalled_stream = false;          // a stream that nobody reads is open on the same connection
  bool named = false;                   // the client finds the server by its service's name
  bool (*runs)(const Case&) = nullptr;  // null: all cases of its works
  std::string packages = {};            // of Debian, where it is built only with them
};

// In the order of reports. A new system is a line here.
const std::vector<System>& Systems();

// The one that the reports compare with.
inline constexpr std::string_view kPeer = "grpc/unix";

bool Runs(const System& system, const Case& which);

}  // namespace bench

#endif  // SIDECALL_BENCHMARKS_DRIVER_SYSTEM_H_
