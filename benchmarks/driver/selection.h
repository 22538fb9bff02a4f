// Selection: which systems run in which cases.
#ifndef SIDECALL_BENCHMARKS_DRIVER_SELECTION_H_
#define SIDECALL_BENCHMARKS_DRIVER_SELECTION_H_

#include <string>
#include <vector>

#include "case.h"
#include "system.h"

namespace bench {

struct Group {
  Case which;
  std::vector<System> systems;
};

struct Selection {
  std::vector<Group> groups;
  // What was asked for and will not run, with the reason and the mend; `broken` is what should have been
  // there.
  std::vector<std::string> left_out;
  std::vector<std::string> broken;
};

// `glob` is matched with WORK/SYSTEM/MODE/BYTES ("unary/sidecall/shm/hot/16") and with SYSTEM; all where it
// is empty. What a chosen system is compared with runs along.
Selection Select(const std::string& glob, const std::string& programs, size_t cpus);

}  // namespace bench

#endif  // SIDECALL_BENCHMARKS_DRIVER_SELECTION_H_
