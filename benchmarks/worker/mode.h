// Mode: how the two sides of a case wait for each other, and where they run.
#ifndef SIDECALL_BENCHMARKS_WORKER_MODE_H_
#define SIDECALL_BENCHMARKS_WORKER_MODE_H_

#include <array>
#include <optional>
#include <string_view>

namespace bench {

enum class Mode {
  kHot,       // as fast as it goes on two CPUs: polling, where a system can
  kSleeping,  // two CPUs, polling off
  kOneCore,   // both sides on one CPU, with the options that a user gets by default
};

inline constexpr std::array kModes = {Mode::kHot, Mode::kSleeping, Mode::kOneCore};

constexpr std::string_view ModeName(Mode mode) {
  switch (mode) {
    case Mode::kHot:
      return "hot";
    case Mode::kSleeping:
      return "sleeping";
    case Mode::kOneCore:
      return "one_core";
  }
  return "";
}

constexpr std::optional<Mode> ParseMode(std::string_view name) {
  for (const Mode mode : kModes) {
    if (name == ModeName(mode)) return mode;
  }
  return std::nullopt;
}

}  // namespace bench

#endif  // SIDECALL_BENCHMARKS_WORKER_MODE_H_
