#include "transport/logging.h"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "transport/clock.h"

namespace sidecall {
namespace {

constexpr std::array<std::string_view, 5> kNames = {"debug", "info", "warning", "error", "off"};

// This thread is in the sink.
thread_local constinit bool in_sink = false;

// Constants, so that nothing logs before they are there; and never destroyed: threads may log while the
// process ends.
constinit std::mutex sink_mutex;
constinit std::mutex lines_of_peers_mutex;

// Under its mutex. Null: the default.
std::shared_ptr<const LogSink>& TheSink() {
  static auto* const sink = new std::shared_ptr<const LogSink>;
  return *sink;
}

// Lines of peers, who may give cause for as many as they like. Under its mutex.
constexpr int64_t kLinesAtOnce = 100;
struct LinesOfPeers {
  int64_t left = kLinesAtOnce;
  int64_t earned_at_second = 0;
  uint64_t left_out = 0;
};
constinit LinesOfPeers lines_of_peers;

// A fork waits for both mutexes: one that another thread held would be held in the child for ever. Registered
// before main, so that the program's own handlers, which may log, run while they are free.
void LockForFork() {
  lines_of_peers_mutex.lock();
  sink_mutex.lock();
}
void UnlockAfterFork() {
  sink_mutex.unlock();
  lines_of_peers_mutex.unlock();
}
[[maybe_unused]] const int fork_handlers = pthread_atfork(LockForFork, UnlockAfterFork, UnlockAfterFork);

// One write a line, so that those of several threads do not mix. Nothing where it would block: nobody reads
// the pipe, and the server is not to wait for that.
void WriteToStderr(std::string_view message) {
  pollfd item{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  if (poll(&item, 1, 0) <= 0) return;
  std::string line = "sidecall: ";
  line.append(message);
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);
}

void Emit(LogLevel level, std::string_view message) {
  std::shared_ptr<const LogSink> sink;
  if (!in_sink) {
    const std::lock_guard lock(sink_mutex);
    sink = TheSink();
  }
  if (sink == nullptr) return WriteToStderr(message);
  in_sink = true;
  try {
    (*sink)(level, message);
  } catch (...) {  // Not ours to deal with, and no reason to end the process.
  }
  in_sink = false;
}

// What the environment says, where nobody has set a level yet.
void ReadEnvironment() {
  const char* const wanted = std::getenv("SIDECALL_LOG");
  const auto* const name = std::find(kNames.begin(), kNames.end(), wanted != nullptr ? wanted : "warning");
  const bool known = name != kNames.end();
  const auto level = known ? static_cast<LogLevel>(1 + (name - kNames.begin())) : LogLevel::kWarning;
  uint8_t unknown = 0;
  const bool set = internal::min_log_level.compare_exchange_strong(unknown, static_cast<uint8_t>(level));
  if (set && !known) {
    Emit(LogLevel::kWarning,
         "SIDECALL_LOG is none of debug, info, warning, error and off; warning is what counts");
  }
}

}  // namespace

namespace internal {
constinit std::atomic<uint8_t> min_log_level{0};
}  // namespace internal

std::string_view LogLevelName(LogLevel level) {
  return kNames.at(static_cast<size_t>(level) - 1);
}

void SetLogSink(LogSink sink) {
  auto fresh = sink != nullptr ? std::make_shared<const LogSink>(std::move(sink)) : nullptr;
  // The one before is destroyed, if at all, after the lock is given back.
  const std::lock_guard lock(sink_mutex);
  TheSink().swap(fresh);
}

void SetMinLogLevel(LogLevel level) {
  internal::min_log_level.store(static_cast<uint8_t>(level), std::memory_order_relaxed);
}

LogLevel MinLogLevel() {
  if (internal::min_log_level.load(std::memory_order_relaxed) == 0) ReadEnvironment();
  return static_cast<LogLevel>(internal::min_log_level.load(std::memory_order_relaxed));
}

void Log(LogLevel level, std::string_view message) {
  if (level >= MinLogLevel()) Emit(level, message);
}

void LogOfPeer(LogLevel level, std::string_view message) {
  if (!LogEnabled(level)) return;
  uint64_t untold = 0;
  {
    const std::lock_guard lock(lines_of_peers_mutex);
    const int64_t second = CoarseMonotonicNanos() / 1'000'000'000;
    lines_of_peers.left = std::min(
        lines_of_peers.left + second - std::exchange(lines_of_peers.earned_at_second, second), kLinesAtOnce);
    if (lines_of_peers.left <= 0) {
      lines_of_peers.left_out++;
      return;
    }
    lines_of_peers.left--;
    untold = std::exchange(lines_of_peers.left_out, 0);
  }
  if (untold == 0) return Log(level, message);
  Log(level, absl::StrCat(std::string(message), " (", untold, " lines like this were left out)"));
}

}  // namespace sidecall
