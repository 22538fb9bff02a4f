#include "progress_bar.h"

#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "absl/time/clock.h"
#include "format.h"

namespace bench {
namespace {

constexpr size_t kWidth = 30;
constexpr const char* kClearLine = "\r\033[K";

}  // namespace

ProgressBar::ProgressBar(size_t steps)
    : steps_(std::max<size_t>(steps, 1)), shown_(isatty(STDERR_FILENO) == 1) {}

void ProgressBar::Clear() {
  if (shown_) std::cerr << kClearLine << std::flush;
  drawn_ = absl::InfinitePast();
}

void ProgressBar::Tell(const std::string& system, const Case& which) {
  if (!shown_ || absl::Now() - drawn_ < absl::Milliseconds(100)) return;
  drawn_ = absl::Now();
  const size_t filled = std::min(kWidth, done_ * kWidth / steps_);
  std::cerr << kClearLine << '[' << std::string(filled, '#') << std::string(kWidth - filled, '.') << "] "
            << std::min<size_t>(100, done_ * 100 / steps_) << " %  " << CaseTitle(which) << "  " << system
            << std::flush;
}

}  // namespace bench
