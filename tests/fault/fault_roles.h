// What child processes of the fault matrix do beyond those of the conformance tests.
#ifndef SIDECALL_TESTS_FAULT_FAULT_ROLES_H_
#define SIDECALL_TESTS_FAULT_FAULT_ROLES_H_

#include <string>
#include <vector>

#include "call_child.h"

namespace fault {

// -- The server's process
// Before it serves: SIGUSR1 interrupts system calls, and does nothing else.
void PrepareServer();
// Lines to it:
//   "inherited": what a program that it executes finds open; "then" the same, as it was before it served.
//   "fork": forks a child that inherits all, and waits until it is killed; its pid.
//   "limit-memory BYTES": so much address space more than it has now.
//   "jump SECONDS": the wall clock.
std::string Obey(const std::string& line);

// -- Clients
bool IsFaultRole(const std::string& role);
// {"handshake", address, step}: connects, takes that step (client_death_test.cc), says "there", and waits.
// {"hog", address}: has a stream sent to it as fast as it comes, reads nothing, says "there" and waits.
// {"inherit", address, gate}: connects, forks a child that inherits all and waits, says its pid, and calls
// Sleep.
// {"call-until", address, n}: calls, and is killed instead of its nth naming call (naming_calls.h), or says
// "lives".
// {"serve-until", address, n}: the same of a server that comes and goes.
// {"small-pipes", address}: becomes another user, uses up the pages that he may have in pipes, serves and
// calls itself, and says how that went: "echoed".
// {"beside-squatter", address}: makes, as root, what is in the way of its next connection, whose name it
// says; then the same as another user.
int RunFaultRole(const std::vector<std::string>& arguments, conformance::LineSocket& test);

// -- Any process
// SIGUSR1 interrupts system calls, and does nothing else.
void LetSignalsInterrupt();
// This process's wall clock (CLOCK_REALTIME) is so many seconds ahead from now on.
void JumpWallClock(long seconds);

}  // namespace fault

#endif  // SIDECALL_TESTS_FAULT_FAULT_ROLES_H_
