#include "case.h"

namespace bench {
namespace {

constexpr size_t kKiB = 1024;
constexpr size_t kMiB = 1024 * kKiB;

}  // namespace

std::vector<Case> AllCases() {
  return {
      {"unary", Mode::kHot, 16},       {"unary", Mode::kHot, kKiB},    {"unary", Mode::kHot, 64 * kKiB},
      {"unary", Mode::kHot, kMiB},     {"unary", Mode::kSleeping, 16}, {"unary", Mode::kOneCore, 16},
      {"pipelined", Mode::kHot, 16},   {"stream", Mode::kHot, 16},     {"stream_both_ways", Mode::kHot, 16},
      {"bandwidth", Mode::kHot, kMiB},
  };
}

}  // namespace bench
