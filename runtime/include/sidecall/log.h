// Log: what the runtime has to say beside the statuses that it returns: who connected and left, what broke
// the protocol, why a channel could not connect.
//
//   sidecall::SetMinLogLevel(sidecall::LogLevel::kInfo);
//   sidecall::SetLogSink([](sidecall::LogLevel level, std::string_view message) {
//     syslog(level >= sidecall::LogLevel::kWarning ? LOG_WARNING : LOG_INFO, "%.*s",
//            static_cast<int>(message.size()), message.data());
//   });
//
// By default warnings and errors go to stderr, as lines that begin with "sidecall: ". The environment's
// SIDECALL_LOG (debug, info, warning, error or off) sets the least level of a process that does not.
// Nothing is logged call by call. Thread-safety: any thread, at any time.
#ifndef SIDECALL_LOG_H_
#define SIDECALL_LOG_H_

#include <cstdint>
#include <functional>
#include <string_view>

namespace sidecall {

enum class LogLevel : uint8_t {
  kDebug = 1,  // each connection: made, accepted, ended, and why
  kInfo,       // a server listens, drains, has shut down
  kWarning,    // a peer broke the protocol, a connection was refused
  kError,      // the runtime cannot do what it was asked to
  kOff,        // as a least level: nothing at all
};

// "debug", "info", "warning", "error", "off".
std::string_view LogLevelName(LogLevel level);

// Called by whichever thread has something to say, several at once; `message` is one line without its end,
// valid during the call. None of the runtime's locks is held; but the server's reader, or the channel's
// attempt to connect, that the message is about waits for the sink. So it is to be quick, to make no calls,
// and to shut no server down. What the runtime logs in a sink goes to stderr. What a sink throws is dropped.
// A child of fork() has the sink, too: a lock of the sink's own may be held there by a thread that is not.
using LogSink = std::function<void(LogLevel level, std::string_view message)>;

// Replaces the sink; a null one restores the default. Threads that are in the one before may still be for a
// moment, and keep it alive: it should own what it uses.
void SetLogSink(LogSink sink);

// The least level that is logged. Less important messages cost one load, and are not even put together.
void SetMinLogLevel(LogLevel level);
LogLevel MinLogLevel();

}  // namespace sidecall

#endif  // SIDECALL_LOG_H_
