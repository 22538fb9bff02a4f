// The steps of a handshake, from a client that goes no further: for killing it there.
#ifndef SIDECALL_TESTS_FAULT_HANDSHAKE_STEPS_H_
#define SIDECALL_TESTS_FAULT_HANDSHAKE_STEPS_H_

#include <string>
#include <vector>

#include "call_child.h"

namespace fault {

std::vector<std::string> HandshakeSteps(const std::string& scheme);
// Goes as far as `step`, says "there", and waits to be killed. False where it came not so far.
bool TakeHandshakeStep(const std::string& address, const std::string& step, conformance::LineSocket& test);

}  // namespace fault

#endif  // SIDECALL_TESTS_FAULT_HANDSHAKE_STEPS_H_
