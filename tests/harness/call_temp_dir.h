// TempDir: a directory of one test's own, removed with whatever is in it.
#ifndef SIDECALL_TESTS_HARNESS_CALL_TEMP_DIR_H_
#define SIDECALL_TESTS_HARNESS_CALL_TEMP_DIR_H_

#include <string>

namespace conformance {

class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  // What is in it, separated by spaces.
  std::string List() const;

 private:
  std::string path_;
};

}  // namespace conformance

#endif  // SIDECALL_TESTS_HARNESS_CALL_TEMP_DIR_H_
