#include "fault_table.h"

#include <array>
#include <cstdio>
#include <utility>

namespace fault {
namespace {

constexpr std::array kTransports = {"unix", "unix_abstract", "shm", "pipe", "mqueue", "inproc"};

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
  std::printf("\nrow | %-46s", "what");
  for (const char* transport : kTransports) std::printf(" | %-13s", transport);
  std::printf("\n----|-%s\n", std::string(46 + kTransports.size() * 16, '-').c_str());
  for (auto& [test, cells] : cells_) {
    std::printf("%3d | %-46s", std::stoi(test.substr(3, 2)), test.substr(6).c_str());
    for (const char* transport : kTransports) std::printf(" | %-13s", cells[transport].c_str());
    std::printf("\n");
  }
  for (const auto& [key, transports] : reasons_) {
    std::printf("row %d, %s: - since %s\n", std::stoi(key.first.substr(3, 2)), transports.c_str(),
                key.second.c_str());
  }
  std::fflush(stdout);
}

}  // namespace fault
