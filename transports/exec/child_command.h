// ChildCommand: what an "exec:" address says: which program, with which arguments, and how it is kept.
#ifndef SIDECALL_TRANSPORTS_EXEC_CHILD_COMMAND_H_
#define SIDECALL_TRANSPORTS_EXEC_CHILD_COMMAND_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "sidecall/child_address.h"
#include "transport/address.h"

namespace sidecall {

struct ChildCommand {
  std::string program;  // as it was given
  std::vector<std::string> arguments;
  ChildOptions options;

  // "exec:/usr/lib/plugin --flag?grace=500ms". Words are separated by spaces; within one, "%20" is a space.
  // INVALID_ARGUMENT.
  static absl::StatusOr<ChildCommand> Parse(const Address& address);

  // Where the program is: `program` itself where it has a slash, else in PATH. INVALID_ARGUMENT where it is
  // not.
  absl::StatusOr<std::string> Find() const;
};

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORTS_EXEC_CHILD_COMMAND_H_
