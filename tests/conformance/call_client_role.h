// Clients in another process, for tests in which a client dies, is another user, or knows nothing of the
// test.
#ifndef SIDECALL_TESTS_CONFORMANCE_CALL_CLIENT_ROLE_H_
#define SIDECALL_TESTS_CONFORMANCE_CALL_CLIENT_ROLE_H_

#include <string>
#include <vector>

#include "call_child.h"

namespace conformance {

// {"sleep", address, gate}: calls Sleep, and says how that ended.
// {"identity", uid, address}: becomes that user; for each line calls PeerIdentity, and says what came of it.
// {"listen", uid, address}: becomes that user, and says what became of listening there.
// {"echo", address}: for each line calls Echo with it as the number, and says the number that came back.
// {"echo-self", address}: the same, of a server of its own.
// {"write-stream", address, gate}, {"read-stream", address, gate}: a stream to a handler that waits at that
// gate before it ends; says "streaming", and writes without end, or reads no more.
// {"hold-stream", address, gate, "none" | "one" | "last"}: the same, bidirectional, having written so much.
int RunClientRole(const std::vector<std::string>& arguments, LineSocket& test);

}  // namespace conformance

#endif  // SIDECALL_TESTS_CONFORMANCE_CALL_CLIENT_ROLE_H_
