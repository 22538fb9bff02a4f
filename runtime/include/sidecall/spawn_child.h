// SpawnChild: a channel to a child process, which it starts (sidecall/child_address.h).
#ifndef SIDECALL_SPAWN_CHILD_H_
#define SIDECALL_SPAWN_CHILD_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sidecall/channel.h"
#include "sidecall/child_address.h"

namespace sidecall {

// Starts the child at once, on a thread of its own. Where that fails, calls say why. The child is hung up on
// when the channel goes.
inline std::shared_ptr<Channel> SpawnChild(std::string_view program,
                                           const std::vector<std::string>& arguments = {},
                                           const ChildOptions& child_options = {},
                                           const ChannelOptions& options = {}) {
  std::shared_ptr<Channel> channel = CreateChannel(ChildAddress(program, arguments, child_options), options);
  channel->GetState(true);
  return channel;
}

}  // namespace sidecall

#endif  // SIDECALL_SPAWN_CHILD_H_
