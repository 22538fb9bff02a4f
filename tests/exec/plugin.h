// The child of these tests: this executable once more, in one of several roles.
#ifndef SIDECALL_TESTS_EXEC_PLUGIN_H_
#define SIDECALL_TESTS_EXEC_PLUGIN_H_

#include <string>
#include <vector>

#include "plugin.sidecall.h"

namespace exec_test {

class PluginImpl final : public Plugin::Service {
 public:
  absl::Status Echo(sidecall::ServerContext*, const Message* request, Message* reply) override;
  absl::Status Tell(sidecall::ServerContext* context, const Message* request, Message* reply) override;
  absl::Status End(sidecall::ServerContext*, const Ending* request, Message*) override;
  absl::Status WriteError(sidecall::ServerContext*, const Message* request, Message*) override;
  absl::Status Count(sidecall::ServerContext*, const Message* request,
                     sidecall::ServerWriter<Message>* writer) override;
};

// This executable, and the arguments for that role.
std::string Program();
std::vector<std::string> RoleArguments(const std::string& role, const std::string& argument = "");

// Roles: "serve" (until the parent hangs up), "call" (calls its parent, until that ends), "exit" (at once,
// with status 3), "silent" (never greets, until it is killed), "closed" (the same, and closes its pipes),
// "babble" (writes what is no greeting), "other version", "other cookie", "stubborn" (serves, ignores SIGTERM
// and its parent's end), "by hand" (prints what ParentAddress says), "flood" (serves, and writes to stderr
// without end), "orphan" (dies before it greets, and a child of its own has its pipes; but calls its parent
// where the file `argument` is there), "host" (starts "serve" as its child, says its pid, waits; `argument`
// says whether it dies with it), "call once more" (after its parent has hung up, and tells the file
// `argument`), "late" (serves once the file `argument` is there).
int RunRole(const std::string& role, const std::string& argument);

}  // namespace exec_test

#endif  // SIDECALL_TESTS_EXEC_PLUGIN_H_
