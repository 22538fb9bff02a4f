// ChannelState: gRPC's states of a channel.
#ifndef SIDECALL_CHANNEL_STATE_H_
#define SIDECALL_CHANNEL_STATE_H_

namespace sidecall {

enum class ChannelState {
  kIdle,              // not connected, and nobody tries
  kConnecting,        // somebody tries
  kReady,             // connected
  kTransientFailure,  // the last attempt failed; the next call tries again
  kShutdown,          // cannot be used: its target is none
};

}  // namespace sidecall

#endif  // SIDECALL_CHANNEL_STATE_H_
