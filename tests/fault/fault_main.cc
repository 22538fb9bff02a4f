// fault_matrix: every row of the fault matrix over every transport, and the table of what came of it.
#include <gtest/gtest.h>

#include <thread>

#include "call_client_role.h"
#include "call_server.h"
#include "fault_roles.h"
#include "fault_table.h"

namespace conformance {

int RunChildRole(const std::vector<std::string>& arguments, LineSocket& test) {
  if (arguments.at(0) == "serve") {
    fault::PrepareServer();
    return RunServerRole(arguments, test, fault::Obey);
  }
  if (fault::IsFaultRole(arguments.at(0))) return fault::RunFaultRole(arguments, test);
  return RunClientRole(arguments, test);
}

}  // namespace conformance

int main(int argc, char** argv) {
  // ThreadSanitizer starts a thread of its own with the first one: before base lines are taken.
  std::thread([] {}).join();
  testing::UnitTest::GetInstance()->listeners().Append(new fault::FaultTable);
  return conformance::TestOrChildMain(argc, argv);
}
