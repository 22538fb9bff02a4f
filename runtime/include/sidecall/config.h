// The config file: what who runs a machine says of its services, whatever programs say (docs/config.md).
//
// $SIDECALL_CONFIG, else /etc/sidecall/config.textproto where there is one. It is read by the first server or
// channel that asks, and again at SIGHUP in a process with a server, unless the program does something of its
// own at SIGHUP: that may call ReloadConfig then.
#ifndef SIDECALL_CONFIG_H_
#define SIDECALL_CONFIG_H_

#include "absl/status/status.h"

namespace sidecall {

// Reads the file again. Rules of access hold from the next call on, and what clients are to take from the
// next connection on; what servers listen on is left as it is. INVALID_ARGUMENT, with file, line and column,
// NOT_FOUND or FAILED_PRECONDITION (a file that others may write to) where it cannot be used: what was read
// before stays. The same where a rule is for a method that a server of this process does not have: that
// server keeps its rules. Any thread, but in no signal handler.
absl::Status ReloadConfig();

}  // namespace sidecall

#endif  // SIDECALL_CONFIG_H_
