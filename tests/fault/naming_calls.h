// The calls by which a process makes, renames and removes what has a name: FIFOs, files and message queues. A
// kill before each of them, one after the other, leaves behind whatever a kill can leave.
#ifndef SIDECALL_TESTS_FAULT_NAMING_CALLS_H_
#define SIDECALL_TESTS_FAULT_NAMING_CALLS_H_

namespace fault {

// SIGKILL to this process instead of the `which`th such call from now on, 1 being the next.
void DieAtNamingCall(int which);

}  // namespace fault

#endif  // SIDECALL_TESTS_FAULT_NAMING_CALLS_H_
