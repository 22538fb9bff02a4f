// Which servers are found by a service's name, what is left out, and that changes are told.
#include "registry/resolver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "core/named_engine.h"
#include "tests/unit/test_registry.h"

namespace sidecall {
namespace {

using testing::HasSubstr;

class ResolverTest : public RegistryTest {
 protected:
  std::string Folder() const { return directory() + "/services/test.Service"; }
  static std::string WhyNone() { return std::string(Find("test.Service").why_none.message()); }
};

TEST_F(ResolverTest, NothingThere) {
  EXPECT_EQ(Find("test.Service").why_none.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(WhyNone(), HasSubstr("no live server for test.Service: none is registered in " + directory()));
}

TEST_F(ResolverTest, InstanceAndLabels) {
  auto left = Content("test.Service");
  left.set_instance("left");
  (*left.mutable_labels())["zone"] = "a";
  auto right = Content("test.Service");
  right.set_instance("right");
  (*right.mutable_labels())["zone"] = "b";
  auto first = Publish(left);
  auto second = Publish(right);
  ASSERT_TRUE(first.ok() && second.ok());
  const auto find = [](const std::string& target) {
    auto query = ParseServiceTarget(target);
    EXPECT_TRUE(query.ok()) << query.status();
    std::string names;
    for (const auto& server : Resolve(*query, DirectoriesToSearch({})).servers)
      names += server.instance + " ";
    return names;
  };
  EXPECT_EQ(find("test.Service"), "right left ");
  EXPECT_EQ(find("test.Service@left"), "left ");
  EXPECT_EQ(find("test.Service@" + (*second)->id()), "right ");
  EXPECT_EQ(find("test.Service?zone=a"), "left ");
  EXPECT_EQ(find("test.Service@left?zone=b"), "");
  EXPECT_EQ(find("test.Service?zone=a&rack=1"), "");
}

TEST_F(ResolverTest, TargetsThatCannotBe) {
  for (const char* rest :
       {"", "a/b", "test.Service@", "test.Service?zone", "test.Service?=a", "test Service", "@x"}) {
    EXPECT_EQ(ParseServiceTarget(rest).status().code(), absl::StatusCode::kInvalidArgument) << rest;
  }
}

// Row 55: what is no registration is told, and hides no other.
TEST_F(ResolverTest, FilesThatAreNoRegistrations) {
  auto own = Publish(Content("test.Service"));
  ASSERT_TRUE(own.ok());
  const std::string good = directory() + "/instances/" + (*own)->id();
  std::ofstream(Folder() + "/garbage") << "\xff\xff\xff garbage";
  std::ofstream(Folder() + "/empty").flush();
  std::filesystem::copy_file(good, Folder() + "/copy");
  std::filesystem::copy_file(good, Folder() + "/truncated");
  std::filesystem::resize_file(Folder() + "/truncated", 20);
  std::ofstream(Folder() + "/huge").flush();
  std::filesystem::resize_file(Folder() + "/huge", 1ull << 40);
  ASSERT_EQ(symlink(good.c_str(), (Folder() + "/link").c_str()), 0);
  ASSERT_EQ(mkfifo((Folder() + "/fifo").c_str(), 0600), 0);
  ASSERT_EQ(mkdir((Folder() + "/directory").c_str(), 0700), 0);
  EXPECT_EQ(CountOf("test.Service"), 1u);
  own->reset();
  EXPECT_EQ(CountOf("test.Service"), 0u);
  for (const char* name : {"garbage", "empty", "copy", "truncated", "huge", "link", "fifo", "directory"}) {
    EXPECT_THAT(WhyNone(), HasSubstr(Folder() + "/" + name + " is no registration"));
  }
}

TEST_F(ResolverTest, AForeignersFile) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  auto own = Publish(Content("test.Service"));
  ASSERT_TRUE(own.ok());
  ASSERT_EQ(chown((directory() + "/instances/" + (*own)->id()).c_str(), 4242, 4242), 0);
  EXPECT_EQ(CountOf("test.Service"), 0u);
  EXPECT_THAT(WhyNone(), HasSubstr("it belongs to uid 4242"));
}

// Row 53: a pid in the text makes nobody alive.
TEST_F(ResolverTest, PidOfALiveProcessMakesNobodyAlive) {
  RegisteringChild server([] { (void)Publish(Content("test.Service")).value().release(); });
  const std::string id = Find("test.Service").servers.at(0).id;
  server.Kill();
  auto found = Content("test.Service");
  found.set_id(id);
  found.set_pid(getpid());
  std::ofstream(directory() + "/instances/" + id) << found.SerializeAsString();
  EXPECT_EQ(CountOf("test.Service"), 0u);
}

TEST_F(ResolverTest, ChangesAreTold) {
  std::atomic<int> changes{0};
  Resolver resolver({.service = "test.Service", .instance = "", .labels = {}}, DirectoriesToSearch({}), [&] {
    changes++;
    return false;
  });
  EXPECT_TRUE(resolver.Look().servers.empty());
  const auto tells = [&](absl::FunctionRef<void()> change, size_t servers) {
    const int before = changes.load();
    change();
    return Await([&] { return changes.load() != before; }) &&
           Await([&] { return resolver.Look().servers.size() == servers; });
  };
  std::unique_ptr<OwnRegistration> first;
  EXPECT_TRUE(tells([&] { first = Publish(Content("test.Service")).value(); }, 1))
      << "it makes the directories";
  std::optional<RegisteringChild> second;
  EXPECT_TRUE(
      tells([&] { second.emplace([] { (void)Publish(Content("test.Service")).value().release(); }); }, 2));
  EXPECT_TRUE(tells([&] { second->Kill(); }, 1)) << "a death";
  EXPECT_TRUE(tells([&] { first.reset(); }, 0));
  EXPECT_TRUE(tells([&] { first = Publish(Content("test.Service")).value(); }, 1)) << "and once more";
}

}  // namespace
}  // namespace sidecall
