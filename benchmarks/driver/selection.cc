#include "selection.h"

#include <fnmatch.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "format.h"

namespace bench {
namespace {

bool Matches(const std::string& glob, const System& system, const Case& which) {
  return glob.empty() || fnmatch(glob.c_str(), CasePath(system.name, which).c_str(), 0) == 0 ||
         fnmatch(glob.c_str(), system.name.c_str(), 0) == 0;
}

// The systems that the glob names in this case, and their floors.
std::set<std::string> Chosen(const std::string& glob, const Case& which) {
  std::set<std::string> names;
  for (const System& system : Systems()) {
    if (!Runs(system, which) || !Matches(glob, system, which)) continue;
    names.insert(system.name);
    if (!system.floor.empty()) names.insert(system.floor);
  }
  return names;
}

void AddOnce(std::vector<std::string>& lines, const std::string& line) {
  if (std::find(lines.begin(), lines.end(), line) == lines.end()) lines.push_back(line);
}

bool IsBuilt(const System& system, const std::string& programs, Selection& selection) {
  const std::string program = programs + "/" + system.program;
  if (access(program.c_str(), X_OK) == 0) return true;
  if (system.packages.empty()) {
    AddOnce(selection.broken, system.name + ": there is no " + program + ". Build all targets.");
  } else {
    AddOnce(selection.left_out, system.name + ": not built. To have it: apt-get install " + system.packages +
                                    ", then configure and build again.");
  }
  return false;
}

}  // namespace

Selection Select(const std::string& glob, const std::string& programs, size_t cpus) {
  Selection selection;
  for (const Case& which : AllCases()) {
    const std::set<std::string> chosen = Chosen(glob, which);
    if (chosen.empty()) continue;
    if (which.mode != Mode::kOneCore && cpus < 2) {
      AddOnce(selection.left_out, CaseTitle(which) + ": needs two CPUs, and this process may use one.");
      continue;
    }
    Group group{which, {}};
    for (const System& system : Systems()) {
      if (chosen.count(system.name) > 0 && Runs(system, which) && IsBuilt(system, programs, selection)) {
        group.systems.push_back(system);
      }
    }
    if (!group.systems.empty()) selection.groups.push_back(std::move(group));
  }
  return selection;
}

}  // namespace bench
