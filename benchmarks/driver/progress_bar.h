// ProgressBar: one line of stderr, where that is a terminal; nothing where it is not.
#ifndef SIDECALL_BENCHMARKS_DRIVER_PROGRESS_BAR_H_
#define SIDECALL_BENCHMARKS_DRIVER_PROGRESS_BAR_H_

#include <cstddef>
#include <string>

#include "absl/time/time.h"
#include "case.h"

namespace bench {

class ProgressBar {
 public:
  explicit ProgressBar(size_t steps);
  ~ProgressBar() { Clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void Step() { ++done_; }
  // Makes room for other output; the next Tell draws anew.
  void Clear();
  // What is running now; drawn a few times a second at most.
  void Tell(const std::string& system, const Case& which);

 private:
  const size_t steps_;
  const bool shown_;
  size_t done_ = 0;
  absl::Time drawn_ = absl::InfinitePast();
};

}  // namespace bench

#endif  // SIDECALL_BENCHMARKS_DRIVER_PROGRESS_BAR_H_
