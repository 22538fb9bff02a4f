// What a received frame's header may say by itself, whoever sent it and whatever came before: flags, lane,
// body and descriptors of each type. docs/protocol.md, "The frame", is the specification.
#ifndef SIDECALL_CORE_FRAME_RULES_H_
#define SIDECALL_CORE_FRAME_RULES_H_

#include "absl/status/status.h"
#include "transport/frame.h"

namespace sidecall {

// OK, or DATA_LOSS naming the rule that `header` breaks.
absl::Status CheckFrameHeader(const FrameHeader& header);

}  // namespace sidecall

#endif  // SIDECALL_CORE_FRAME_RULES_H_
