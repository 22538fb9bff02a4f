// FaultTable: prints, when all tests have run, a table of rows and transports.
#ifndef SIDECALL_TESTS_FAULT_FAULT_TABLE_H_
#define SIDECALL_TESTS_FAULT_FAULT_TABLE_H_

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace fault {

class FaultTable final : public testing::EmptyTestEventListener {
 public:
  void OnTestEnd(const testing::TestInfo& info) override;
  void OnTestProgramEnd(const testing::UnitTest& all) override;

 private:
  // By test ("Row04_ServerStopped"), then by transport: "pass", "FAIL", "-".
  std::map<std::string, std::map<std::string, std::string>> cells_;
  // Why a row does not apply: by test and reason, the transports.
  std::map<std::pair<std::string, std::string>, std::string> reasons_;
};

}  // namespace fault

#endif  // SIDECALL_TESTS_FAULT_FAULT_TABLE_H_
