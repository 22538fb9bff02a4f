// SIGHUP has the config file read again.
#ifndef SIDECALL_CORE_RELOAD_ON_HANGUP_H_
#define SIDECALL_CORE_RELOAD_ON_HANGUP_H_

namespace sidecall {

// From now on, unless the process does something of its own at SIGHUP, or ignores it. Once it has begun,
// nothing more. What cannot be read is logged, and changes nothing. Any thread.
void ReloadConfigOnHangup();

}  // namespace sidecall

#endif  // SIDECALL_CORE_RELOAD_ON_HANGUP_H_
