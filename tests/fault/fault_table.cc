#include "fault_table.h"

#include <cstdio>
#include <utility>

namespace fault {
namespace {

constexpr const char* kTransports[] = {"unix", "unix_abstract", "shm", "inproc"};

}  // namespace

void FaultTable::OnTestEnd(const testing::TestInfo& info) {
  const std::string name = info.name();
  const size_t slash = name.find('/');
  if (name.rfind("Row", 0) != 0 || slash == std::string::npos) return;
  const std::string test = name.substr(0, slash);
  const std::string transport = name.substr(slash + 1);
  const testing::TestResult& result = *info.result();
  std::string& cell = cells_[test][transport];
  cell = result.Failed() ? "FAIL" : result.Skipped() ? "-" : "pass";
  if (cell != "-") return;
  for (int part = 0; part < result.total_part_count(); part++) {
    if (!result.GetTestPartResult(part).skipped()) continue;
    std::string& transports = reasons_[{test, result.GetTestPartResult(part).message()}];
    transports += (transports.empty() ? "" : ", ") + transport;
  }
}

void FaultTable::OnTestProgramEnd(const testing::UnitTest& /*all*/) {
  if (cells_.empty()) return;
  std::printf("\nrow | %-46s | %-6s | %-13s | %-6s | %-6s\n", "what", "unix", "unix-abstract", "shm",
              "inproc");
  std::printf("----|-%s-|--------|---------------|--------|-------\n", std::string(46, '-').c_str());
  for (auto& [test, cells] : cells_) {
    const auto cell = [&cells = cells](int i) {
      const auto found = cells.find(kTransports[i]);
      return found == cells.end() ? "" : found->second.c_str();
    };
    std::printf("%3d | %-46s | %-6s | %-13s | %-6s | %-6s\n", std::stoi(test.substr(3, 2)),
                test.substr(6).c_str(), cell(0), cell(1), cell(2), cell(3));
  }
  for (const auto& [key, transports] : reasons_) {
    std::printf("row %d, %s: - since %s\n", std::stoi(key.first.substr(3, 2)), transports.c_str(),
                key.second.c_str());
  }
  std::fflush(stdout);
}

}  // namespace fault
