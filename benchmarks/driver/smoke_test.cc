// Runs every case of every system that is built, briefly, and checks the report's shape. No figure is judged.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

namespace bench {
namespace {

nlohmann::json RunSmoke() {
  const std::string path = testing::TempDir() + "sidecall_bench_smoke." + std::to_string(getpid());
  const std::string command = std::string(SIDECALL_BENCH) + " --smoke --json " + path;
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
  std::ifstream file(path);
  nlohmann::json report = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  std::filesystem::remove(path);
  return report;
}

void CheckResult(const nlohmann::json& result) {
  SCOPED_TRACE(result.dump());
  EXPECT_FALSE(result.contains("error"));
  for (const char* field : {"work", "system", "mode"})
    EXPECT_TRUE(result.value(field, nlohmann::json()).is_string());
  for (const char* field : {"bytes", "p50_ns", "p99_ns", "p999_ns", "max_ns", "per_second",
                            "voluntary_switches_per_call", "samples"}) {
    EXPECT_TRUE(result.value(field, nlohmann::json()).is_number()) << field;
  }
  if (result.value("work", "") != "unary") return;
  EXPECT_GT(result.value("samples", 0), 0);
  EXPECT_GT(result.value("p50_ns", 0), 0);
  EXPECT_LE(result.value("p50_ns", 0), result.value("p99_ns", 0));
  EXPECT_LE(result.value("p99_ns", 0), result.value("p999_ns", 0));
  EXPECT_LE(result.value("p999_ns", 0), result.value("max_ns", 0));
}

TEST(SidecallBench, EverySystemAnswers) {
  const nlohmann::json report = RunSmoke();
  ASSERT_TRUE(report.is_array());
  ASSERT_FALSE(report.empty());
  EXPECT_EQ(report[0].value("work", ""), "machine");
  for (const char* field : {"machine", "kernel", "commit"})
    EXPECT_NE(report[0].value(field, ""), "") << field;
  std::set<std::string> systems;
  for (size_t i = 1; i < report.size(); ++i) {
    CheckResult(report[i]);
    systems.insert(report[i].value("system", ""));
  }
  for (const char* system : {"sidecall/shm", "sidecall/unix", "floor/shm", "floor/unix"}) {
    EXPECT_EQ(systems.count(system), 1u) << system;
  }
}

}  // namespace
}  // namespace bench
