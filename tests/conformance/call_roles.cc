#include "call_child.h"
#include "call_client_role.h"
#include "call_server.h"

namespace conformance {

int RunChildRole(const std::vector<std::string>& arguments, LineSocket& test) {
  if (arguments.at(0) == "serve") return RunServerRole(arguments, test);
  return RunClientRole(arguments, test);
}

}  // namespace conformance
