// Registry directories: which are taken, and which are refused, with what reason.
#include "registry/registry_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "tests/unit/test_registry.h"

namespace sidecall {
namespace {

using testing::HasSubstr;

class RegistryDirectoryTest : public RegistryTest {
 protected:
  static absl::Status Open(const std::string& path) {
    const uid_t own = geteuid();
    return RegistryDirectory::Open(path, {&own, 1}).status();
  }
  static void ExpectRefused(const absl::Status& status, const std::string& why) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(why));
  }
};

TEST_F(RegistryDirectoryTest, IsMadeForItsOwnerAlone) {
  const std::string path = directory() + "/new";
  const mode_t before = umask(0);
  auto made = RegistryDirectory::OpenOrMake(path, 0700);
  umask(before);
  ASSERT_TRUE(made.ok()) << made.status();
  struct stat found {};
  ASSERT_EQ(stat(path.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0700u);
  EXPECT_FALSE(made->open_to_others());
  auto sub = made->OpenOrMakeSub("services");
  ASSERT_TRUE(sub.ok()) << sub.status();
  ASSERT_EQ(fstat(sub->get(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0700u);
}

TEST_F(RegistryDirectoryTest, Missing) {
  EXPECT_EQ(Open(directory() + "/none").code(), absl::StatusCode::kNotFound);
}

TEST_F(RegistryDirectoryTest, WritableByOthers) {
  const std::string path = directory() + "/open";
  ASSERT_EQ(mkdir(path.c_str(), 0700), 0);
  ASSERT_EQ(chmod(path.c_str(), 0777), 0);
  ExpectRefused(Open(path), "others may write to it (mode 0777)");
  ExpectRefused(RegistryDirectory::OpenOrMake(path, 0700).status(), "chmod go-w");
}

TEST_F(RegistryDirectoryTest, SubDirectoryWritableByOthers) {
  auto own = RegistryDirectory::OpenOrMake(directory() + "/own", 0700);
  ASSERT_TRUE(own.ok());
  ASSERT_TRUE(own->OpenOrMakeSub("services").ok());
  ASSERT_EQ(chmod((own->path() + "/services").c_str(), 0722), 0);
  ExpectRefused(own->OpenSub("services").status(), "others may write");
}

TEST_F(RegistryDirectoryTest, OfAnotherUser) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a directory away";
  const std::string path = directory() + "/foreign";
  ASSERT_EQ(mkdir(path.c_str(), 0700), 0);
  ASSERT_EQ(chown(path.c_str(), 4242, 4242), 0);
  ExpectRefused(Open(path), "it belongs to uid 4242");
  const uid_t trusted = 4242;
  EXPECT_TRUE(RegistryDirectory::Open(path, {&trusted, 1}).ok());
}

TEST_F(RegistryDirectoryTest, SymbolicLink) {
  const std::string path = directory() + "/link";
  ASSERT_EQ(symlink(directory().c_str(), path.c_str()), 0);
  ExpectRefused(Open(path), "it is a symbolic link");
}

TEST_F(RegistryDirectoryTest, FifoAndFile) {
  const std::string path = directory() + "/fifo";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  ExpectRefused(Open(path), "it is no directory");
  ExpectRefused(RegistryDirectory::OpenOrMake(path, 0700).status(), "it is no directory");
}

TEST_F(RegistryDirectoryTest, TheEnvironmentNamesTheOnlyOne) {
  auto servers = OpenServersDirectory();
  ASSERT_TRUE(servers.ok()) << servers.status();
  EXPECT_EQ(servers->path(), directory());
  const auto searched = DirectoriesToSearch({});
  ASSERT_EQ(searched.size(), 1u);
  EXPECT_EQ(searched[0].path, directory());
}

TEST_F(RegistryDirectoryTest, WithoutTheEnvironmentRootsIsSearchedToo) {
  unsetenv("SIDECALL_DIR");
  const std::vector<uid_t> trusted = {4242, 4242};
  std::vector<std::string> paths;
  for (const auto& each : DirectoriesToSearch(trusted)) {
    paths.push_back(each.path);
    EXPECT_EQ(each.owners.size(), 1u) << each.path;
  }
  EXPECT_THAT(paths, testing::Contains("/run/sidecall/0").Times(1));
  EXPECT_THAT(paths, testing::Contains("/run/sidecall/4242").Times(1));
  EXPECT_THAT(paths, testing::Contains("/tmp/sidecall-" + std::to_string(geteuid())));
}

}  // namespace
}  // namespace sidecall
