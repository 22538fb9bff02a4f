#include "call_temp_dir.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace conformance {

// Below /tmp whatever TMPDIR says: the path of a socket has 107 bytes.
TempDir::TempDir() : path_("/tmp/sidecall-conformance-XXXXXX") {
  if (mkdtemp(path_.data()) == nullptr) {
    std::perror("mkdtemp");
    std::abort();
  }
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TempDir::List() const {
  std::string names;
  for (const auto& entry : std::filesystem::directory_iterator(path_)) {
    if (!names.empty()) names += ' ';
    names += entry.path().filename().string();
  }
  return names;
}

}  // namespace conformance
