// RegistryTest: a registry directory of the test's own, in $SIDECALL_DIR, and processes that register in it.
#ifndef SIDECALL_TESTS_UNIT_TEST_REGISTRY_H_
#define SIDECALL_TESTS_UNIT_TEST_REGISTRY_H_

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/functional/function_ref.h"
#include "registry/own_registration.h"
#include "registry/resolver.h"

namespace sidecall {

class RegistryTest : public testing::Test {
 protected:
  static constexpr std::chrono::seconds kPatience{30};

  RegistryTest() {
    char name[] = "/tmp/sidecall-registry-XXXXXX";
    EXPECT_NE(mkdtemp(name), nullptr);
    directory_ = name;
    setenv("SIDECALL_DIR", name, 1);
  }
  ~RegistryTest() override {
    unsetenv("SIDECALL_DIR");
    std::filesystem::remove_all(directory_);
  }

  const std::string& directory() const { return directory_; }

  static sidecall_registry::Registration Content(const std::string& service) {
    sidecall_registry::Registration content;
    auto& entry = *content.add_services();
    entry.set_name(service);
    entry.add_addresses("unix:/nowhere/" + service);
    return content;
  }
  static absl::StatusOr<std::unique_ptr<OwnRegistration>> Publish(sidecall_registry::Registration content) {
    auto directory = OpenServersDirectory();
    if (!directory.ok()) return directory.status();
    auto own = OwnRegistration::Reserve(*std::move(directory));
    if (!own.ok()) return own.status();
    absl::Status published = (*own)->Publish(std::move(content));
    if (!published.ok()) return published;
    return own;
  }
  static Resolution Find(const std::string& service) {
    return Resolve({.service = service, .instance = "", .labels = {}}, DirectoriesToSearch({}));
  }
  static size_t CountOf(const std::string& service) { return Find(service).servers.size(); }
  // Every name in the directory but those of directories and of what is there for good.
  size_t CountFiles() const {
    size_t files = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_)) {
      const std::string name = entry.path().filename();
      if (!entry.is_directory() && name != "lock" && name != "claims") files++;
    }
    return files;
  }
  template <typename Done>
  static bool Await(const Done& done) {
    const auto limit = std::chrono::steady_clock::now() + kPatience;
    while (!done()) {
      if (std::chrono::steady_clock::now() >= limit) return false;
      std::this_thread::yield();
    }
    return true;
  }

 private:
  std::string directory_;
};

// A process that does `work`, says so, and waits to be killed.
class RegisteringChild {
 public:
  explicit RegisteringChild(absl::FunctionRef<void()> work) {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    pid_ = fork();
    if (pid_ == 0) {
      close(ends[0]);
      work();
      (void)!write(ends[1], "x", 1);
      for (;;) pause();
    }
    close(ends[1]);
    char byte = 0;
    EXPECT_EQ(read(ends[0], &byte, 1), 1) << "the child died too soon";
    close(ends[0]);
  }
  ~RegisteringChild() { Kill(); }
  RegisteringChild(const RegisteringChild&) = delete;
  RegisteringChild& operator=(const RegisteringChild&) = delete;

  pid_t pid() const { return pid_; }
  void Kill() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  pid_t pid_ = 0;
};

}  // namespace sidecall

#endif  // SIDECALL_TESTS_UNIT_TEST_REGISTRY_H_
