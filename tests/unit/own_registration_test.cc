// A server's registration: while it lives, when it dies at any step, and what others may do to its files.
#include "registry/own_registration.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "registry/directory_lock.h"
#include "registry/registration_file.h"
#include "registry/remove_dead.h"
#include "tests/unit/test_registry.h"
#include "transport/unix_socket.h"

#if defined(__SANITIZE_THREAD__)
// Children of these tests have threads, and begin them after the fork.
extern "C" const char* __tsan_default_options();
extern "C" const char* __tsan_default_options() {
  return "die_after_fork=0";
}
#endif

namespace sidecall {
namespace {

using testing::HasSubstr;

class OwnRegistrationTest : public RegistryTest {
 protected:
  // What `sidecall clean` does.
  static std::vector<std::string> Clean() {
    auto directory = OpenServersDirectory();
    EXPECT_TRUE(directory.ok()) << directory.status();
    auto lock = DirectoryLock::Take(*directory);
    EXPECT_TRUE(lock.ok()) << lock.status();
    return RemoveDead(*directory);
  }
  static size_t OpenDescriptors() {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
  }
};

TEST_F(OwnRegistrationTest, IsFoundUntilItIsWithdrawn) {
  auto own = Publish(Content("test.Service"));
  ASSERT_TRUE(own.ok()) << own.status();
  const Resolution found = Find("test.Service");
  ASSERT_EQ(found.servers.size(), 1u) << found.why_none;
  EXPECT_EQ(found.servers[0].id, (*own)->id());
  EXPECT_EQ(found.servers[0].owner, geteuid());
  EXPECT_EQ(found.servers[0].addresses, std::vector<std::string>{"unix:/nowhere/test.Service"});
  (*own)->Withdraw();
  (*own)->Withdraw();
  EXPECT_EQ(CountOf("test.Service"), 0u);
  EXPECT_EQ(CountFiles(), 0u);
}

TEST_F(OwnRegistrationTest, DestroyedBeforeItIsPublished) {
  auto directory = OpenServersDirectory();
  ASSERT_TRUE(directory.ok());
  auto own = OwnRegistration::Reserve(*std::move(directory));
  ASSERT_TRUE(own.ok()) << own.status();
  EXPECT_EQ(CountFiles(), 1u);
  own->reset();
  EXPECT_EQ(CountFiles(), 0u);
}

TEST_F(OwnRegistrationTest, ServicesThatCannotBe) {
  const std::vector<std::string> names = {"", "../escape", "a/b", ".hidden", std::string(300, 'a')};
  for (const std::string& name : names) {
    EXPECT_EQ(Publish(Content(name)).status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
  EXPECT_EQ(CountFiles(), 0u);
}

// Row 46: whoever comes next gets the lock, and cleans up, once.
TEST_F(OwnRegistrationTest, KilledServerIsCleanedUpOnce) {
  RegisteringChild server([] { (void)Publish(Content("test.Service")).value().release(); });
  EXPECT_EQ(CountOf("test.Service"), 1u);
  const pid_t pid = server.pid();
  server.Kill();
  const Resolution gone = Find("test.Service");
  EXPECT_TRUE(gone.servers.empty());
  EXPECT_THAT(std::string(gone.why_none.message()),
              HasSubstr("its registration is stale (pid " + std::to_string(pid) + " is gone)"));
  EXPECT_EQ(Clean().size(), 1u);
  EXPECT_EQ(Clean().size(), 0u);
  EXPECT_EQ(CountFiles(), 0u);
}

// Row 47: no step leaves a name that stays for ever.
TEST_F(OwnRegistrationTest, KilledAtEachStep) {
  const auto reserve = [] {
    auto directory = OpenServersDirectory();
    return OwnRegistration::Reserve(*std::move(directory)).value().release();
  };
  const auto in_lock = [&] {
    OwnRegistration* own = reserve();
    const uid_t uid = geteuid();
    auto* directory =
        new RegistryDirectory(RegistryDirectory::Open(own->directory_path(), {&uid, 1}).value());
    (void)new DirectoryLock(DirectoryLock::Take(*directory).value());
  };
  const auto two_services = [] {
    auto content = Content("test.Service");
    content.add_services()->set_name("test.Blocked");
    (void)Publish(content).value().release();
  };
  {
    RegisteringChild child([&] { reserve(); });
  }
  { RegisteringChild child(in_lock); }
  { RegisteringChild child(two_services); }
  // As if it had died before its second name was made: while it lives, it would make that anew.
  std::filesystem::remove_all(directory() + "/services/test.Blocked");
  {
    RegisteringChild child([] { (void)Publish(Content("test.Service")).value().release(); });
  }
  auto next = Publish(Content("test.Service"));
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_EQ(CountOf("test.Service"), 1u);
  next->reset();
  EXPECT_EQ(CountFiles(), 0u);
}

// No start looks at all that others have registered, and yet all that is dead goes.
TEST_F(OwnRegistrationTest, StartsShareTheRemovalOfTheDead) {
  ASSERT_TRUE(Publish(Content("test.Service")).ok()) << "makes the directories";
  constexpr size_t kDead = 3 * kLookedAtByEachStart + 1;
  for (size_t i = 0; i < kDead; i++) {
    auto content = Content("test.Gone" + std::to_string(i % 10));
    content.set_id("dead" + std::to_string(i));
    const std::string file = directory() + "/instances/" + content.id();
    const std::string folder = directory() + "/services/" + content.services(0).name();
    std::ofstream(file) << content.SerializeAsString();
    std::filesystem::create_directories(folder);
    std::filesystem::create_hard_link(file, folder + "/" + content.id());
  }
  size_t left = 2 * kDead;
  for (; left > 0; left -= std::min(left, 2 * kLookedAtByEachStart)) {
    EXPECT_EQ(CountFiles(), left);
    ASSERT_TRUE(Publish(Content("test.Service")).ok());
  }
  EXPECT_EQ(CountFiles(), 0u);
  EXPECT_TRUE(std::filesystem::is_empty(directory() + "/services"));
}

// A server of many services takes no descriptor for each.
TEST_F(OwnRegistrationTest, DescriptorsOfManyServices) {
  auto small = Publish(Content("test.First"));  // The watch has its descriptor from now on.
  const auto opens = [](const sidecall_registry::Registration& content) {
    const size_t before = OpenDescriptors();
    auto own = Publish(content);
    EXPECT_TRUE(own.ok()) << own.status();
    return OpenDescriptors() - before;
  };
  auto large = Content("test.Service");
  for (int i = 0; i < 500; i++) large.add_services()->set_name("test.Service" + std::to_string(i));
  EXPECT_EQ(opens(large), opens(Content("test.Service")));
}

// Names of the dead go, whichever of them somebody has removed before.
TEST_F(OwnRegistrationTest, LinksWithoutAnInstanceAreCleanedUp) {
  RegisteringChild server([] { (void)Publish(Content("test.Service")).value().release(); });
  const std::string id = Find("test.Service").servers.at(0).id;
  server.Kill();
  std::filesystem::remove(directory() + "/instances/" + id);
  EXPECT_EQ(CountFiles(), 1u) << "its link";
  EXPECT_EQ(CountOf("test.Service"), 0u);
  EXPECT_TRUE(Publish(Content("test.Other")).ok());
  EXPECT_EQ(CountFiles(), 1u) << "no start looks at all services";
  EXPECT_TRUE(Clean().empty()) << "it is no registration";
  EXPECT_EQ(CountFiles(), 0u);
}

TEST_F(OwnRegistrationTest, ContentThatCouldNotBeRead) {
  auto content = Content("test.Service");
  (*content.mutable_labels())["key"] = "\xff is no UTF-8";
  EXPECT_EQ(Publish(content).status().code(), absl::StatusCode::kInvalidArgument);
  (*content.mutable_labels())["key"] = std::string(1 << 20, 'x');
  EXPECT_EQ(Publish(content).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CountFiles(), 0u);
}

// Row 49.
TEST_F(OwnRegistrationTest, TheNewestComesFirst) {
  auto first = Publish(Content("test.Service"));
  auto second = Publish(Content("test.Service"));
  ASSERT_TRUE(first.ok() && second.ok());
  const Resolution found = Find("test.Service");
  ASSERT_EQ(found.servers.size(), 2u);
  EXPECT_EQ(found.servers[0].id, (*second)->id());
  EXPECT_GT(found.servers[0].generation, found.servers[1].generation);
}

// Row 50.
TEST_F(OwnRegistrationTest, ExclusiveService) {
  auto exclusive = Content("test.Service");
  exclusive.mutable_services(0)->set_exclusive(true);
  auto first = Publish(exclusive);
  ASSERT_TRUE(first.ok()) << first.status();
  for (const auto& content : {exclusive, Content("test.Service")}) {
    const absl::Status second = Publish(content).status();
    EXPECT_EQ(second.code(), absl::StatusCode::kAlreadyExists) << second;
    EXPECT_THAT(std::string(second.message()), HasSubstr("pid " + std::to_string(getpid())));
  }
  EXPECT_TRUE(Publish(Content("test.Other")).ok());
  EXPECT_EQ(CountOf("test.Service"), 1u);
  first->reset();
  auto shared = Publish(Content("test.Service"));
  EXPECT_TRUE(shared.ok());
  EXPECT_EQ(Publish(exclusive).status().code(), absl::StatusCode::kAlreadyExists);
  shared->reset();
  {
    RegisteringChild killed([&] { (void)Publish(exclusive).value().release(); });
  }
  EXPECT_TRUE(Publish(exclusive).ok()) << "a death frees the name";
}

// Row 51: classic fcntl locks would be lost.
TEST_F(OwnRegistrationTest, OpeningAndClosingItsFileKeepsTheLock) {
  auto own = Publish(Content("test.Service"));
  ASSERT_TRUE(own.ok());
  const std::string path = directory() + "/instances/" + (*own)->id();
  close(open(path.c_str(), O_RDWR | O_CLOEXEC));
  std::ifstream(path).get();
  EXPECT_EQ(CountOf("test.Service"), 1u);
}

// Rows 52 and 56: files that are removed or replaced under a live server are made anew.
TEST_F(OwnRegistrationTest, RemovedUnderALiveServer) {
  auto own = Publish(Content("test.Service"));
  ASSERT_TRUE(own.ok());
  const std::string file = directory() + "/instances/" + (*own)->id();
  const std::string link = directory() + "/services/test.Service/" + (*own)->id();
  const auto is_back = [&] {
    return std::filesystem::exists(file) && std::filesystem::exists(link) && CountOf("test.Service") == 1;
  };
  std::filesystem::remove(file);
  EXPECT_TRUE(Await(is_back)) << "after its file was removed";
  std::filesystem::remove(link);
  EXPECT_TRUE(Await(is_back)) << "after a service's name was removed";
  // It may come back while it is being removed.
  std::error_code ignored;
  std::filesystem::remove_all(directory() + "/services", ignored);
  EXPECT_TRUE(Await(is_back)) << "after all services were removed";
  std::filesystem::remove_all(directory(), ignored);
  EXPECT_TRUE(Await(is_back)) << "after the whole directory was removed";
}

// Else another could serve beside one that is to be alone.
TEST_F(OwnRegistrationTest, ClaimsRemovedUnderALiveServer) {
  auto exclusive = Content("test.Service");
  exclusive.mutable_services(0)->set_exclusive(true);
  auto first = Publish(exclusive);
  ASSERT_TRUE(first.ok()) << first.status();
  std::filesystem::remove(directory() + "/claims");
  EXPECT_TRUE(Await([&] { return std::filesystem::exists(directory() + "/claims"); }));
  EXPECT_EQ(Publish(exclusive).status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(CountOf("test.Service"), 1u);
}

TEST_F(OwnRegistrationTest, SocketRemovedUnderALiveServer) {
  auto directory = OpenServersDirectory();
  ASSERT_TRUE(directory.ok() && directory->OpenOrMakeSub("sockets").ok());
  auto own = OwnRegistration::Reserve(*std::move(directory));
  ASSERT_TRUE(own.ok()) << own.status();
  const std::string name = (*own)->id() + ".test";
  const std::string path = this->directory() + "/sockets/" + name;
  std::vector<std::unique_ptr<UnixSocketListener>> listeners;
  const auto listen = [&]() -> absl::Status {
    auto address = UnixSocketAddress::FromPath(path);
    if (!address.ok()) return address.status();
    auto listener = UnixSocketListener::Listen(*address);
    if (listener.ok()) listeners.push_back(*std::move(listener));
    return listener.status();
  };
  ASSERT_TRUE(listen().ok());
  ASSERT_EQ(chmod(path.c_str(), 0604), 0);
  int attempts = 0;
  ASSERT_TRUE((*own)
                  ->Publish(Content("test.Service"),
                            [&](const std::string& socket, mode_t mode) {
                              EXPECT_EQ(socket, name);
                              if (++attempts == 1) return absl::ResourceExhaustedError("no descriptors");
                              absl::Status listens = listen();
                              EXPECT_EQ(chmod(path.c_str(), mode), 0);
                              return listens;
                            })
                  .ok());
  std::filesystem::remove(path);
  struct stat found {};
  EXPECT_TRUE(Await([&] { return stat(path.c_str(), &found) == 0 && (found.st_mode & 0777) == 0604; }))
      << "tried again, and for whom it was before";
  own->reset();  // Nothing is called any more.
  EXPECT_GE(attempts, 2);
  EXPECT_GE(listeners.size(), 2u);
}

TEST_F(OwnRegistrationTest, ReplacedUnderALiveServer) {
  auto own = Publish(Content("test.Service"));
  ASSERT_TRUE(own.ok());
  const std::string link = directory() + "/services/test.Service/" + (*own)->id();
  const std::string fake = directory() + "/fake";
  std::ofstream(fake) << "not a registration";
  std::filesystem::rename(fake, link);
  EXPECT_TRUE(Await([&] { return CountOf("test.Service") == 1; }));
}

// Row 10: a child that was forked does not hold its parent's lock.
TEST_F(OwnRegistrationTest, DiesWithItsProcessThoughAChildLives) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  RegisteringChild server([&] {
    (void)Publish(Content("test.Service")).value().release();
    if (fork() != 0) return;
    prctl(PR_SET_PDEATHSIG, 0);
    const pid_t own = getpid();
    (void)!write(ends[1], &own, sizeof own);
    for (;;) pause();
  });
  pid_t grandchild = 0;
  ASSERT_EQ(read(ends[0], &grandchild, sizeof grandchild), ssize_t{sizeof grandchild});
  EXPECT_EQ(CountOf("test.Service"), 1u);
  server.Kill();
  EXPECT_EQ(kill(grandchild, 0), 0) << "it lives";
  EXPECT_EQ(CountOf("test.Service"), 0u);
  kill(grandchild, SIGKILL);
  close(ends[0]);
  close(ends[1]);
}

TEST_F(OwnRegistrationTest, OfTheParentIsLeftAloneInAChild) {
  auto own = Publish(Content("test.Service"));
  ASSERT_TRUE(own.ok());
  {
    RegisteringChild child([&] { own->reset(); });
  }
  EXPECT_EQ(CountOf("test.Service"), 1u);
}

// Row 48: a look beside a server that comes and goes finds it or does not, and nothing else.
TEST_F(OwnRegistrationTest, LooksBesideComingAndGoing) {
  RegisteringChild lasting([] { (void)Publish(Content("test.Service")).value().release(); });
  RegisteringChild coming_and_going([] {
    std::thread([] {
      for (;;) (void)Publish(Content("test.Service"));
    }).detach();
  });
  for (int look = 0; look < 1000; look++) {
    const Resolution found = Find("test.Service");
    ASSERT_GE(found.servers.size(), 1u) << found.why_none;
    ASSERT_LE(found.servers.size(), 2u);
  }
}

// A process that is stopped while it holds the directory's lock is not waited for without end.
TEST_F(OwnRegistrationTest, StoppedLockHolder) {
  auto directory = OpenServersDirectory();
  ASSERT_TRUE(directory.ok());
  auto held = DirectoryLock::Take(*directory);
  ASSERT_TRUE(held.ok());
  const absl::Status status = Publish(Content("test.Service")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("somebody else holds it"));
}

// Whoever may read the files may lock them for reading: that changes nothing.
TEST_F(OwnRegistrationTest, OthersReadLocksChangeNothing) {
  ASSERT_EQ(chmod(directory().c_str(), 0755), 0);
  auto own = Publish(Content("test.Service"));
  ASSERT_TRUE(own.ok());
  const std::string path = directory() + "/instances/" + (*own)->id();
  struct stat found {};
  ASSERT_EQ(stat(path.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0644u) << "all may read it where they may come in";
  {
    RegisteringChild server([] { (void)Publish(Content("test.Doomed")).value().release(); });
    RegisteringChild locker([this] {
      for (const auto& entry : std::filesystem::recursive_directory_iterator(directory())) {
        const int file = open(entry.path().c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        const std::string name = entry.path().filename();
        if (file >= 0 && name != "claims" && name != "lock") TryLock(file, F_RDLCK);
      }
    });
    EXPECT_EQ(CountOf("test.Service"), 1u);
    EXPECT_EQ(CountOf("test.Doomed"), 1u);
    server.Kill();
    EXPECT_EQ(CountOf("test.Doomed"), 0u);
    auto next = Publish(Content("test.Doomed"));
    EXPECT_TRUE(next.ok()) << next.status();
    EXPECT_EQ(CountOf("test.Doomed"), 1u);
  }
}

}  // namespace
}  // namespace sidecall
