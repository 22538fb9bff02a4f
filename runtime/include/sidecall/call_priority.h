// CallPriority: which calls overtake others on their way.
//
//   context.set_priority(sidecall::CallPriority::kUrgent);
//
// A request for the transport, not for the server: handlers run in the order in which calls arrive. What is
// urgent overtakes
//  - what of other calls waits in this process for room on the same connection, over every transport,
//  - and over mqueue what lies in the kernel's queue already.
// The server's answers to an urgent call overtake in the same way. Within a call order holds.
#ifndef SIDECALL_CALL_PRIORITY_H_
#define SIDECALL_CALL_PRIORITY_H_

#include <cstdint>

namespace sidecall {

enum class CallPriority : uint8_t { kNormal, kUrgent };

}  // namespace sidecall

#endif  // SIDECALL_CALL_PRIORITY_H_
