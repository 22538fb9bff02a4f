// Which servers are found by a service's name, what is left out, and that changes are told.
#include "registry/resolver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

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

// Of a server's services, the one that is asked for is read alone.
TEST_F(ResolverTest, OneOfManyServices) {
  auto content = Content("test.Service");
  const std::vector<std::string> others = {"test", "test.Service2", "a.test.Service", "test.Servic"};
  for (const std::string& name : others) *content.add_services() = Content(name).services(0);
  content.set_instance("left");
  (*content.mutable_labels())["zone"] = "a";
  auto own = Publish(content);
  ASSERT_TRUE(own.ok()) << own.status();
  for (const auto& service : content.services()) {
    const Resolution found = Find(service.name());
    ASSERT_EQ(found.servers.size(), 1u) << service.name() << ": " << found.why_none;
    EXPECT_EQ(found.servers[0].addresses, std::vector<std::string>{"unix:/nowhere/" + service.name()});
    EXPECT_EQ(found.servers[0].instance, "left");
    EXPECT_EQ(found.servers[0].pid, getpid());
    EXPECT_EQ(found.servers[0].labels.at("zone"), "a");
  }
  std::filesystem::create_directories(directory() + "/services/test.Absent");
  std::filesystem::create_hard_link(directory() + "/instances/" + (*own)->id(),
                                    directory() + "/services/test.Absent/" + (*own)->id());
  EXPECT_THAT(std::string(Find("test.Absent").why_none.message()),
              HasSubstr("is registered for other services"));
}

// They are written once.
TEST_F(ResolverTest, ServicesWithTheSameAddresses) {
  const std::vector<std::string> first = {"unix:/nowhere/first", "unix:/nowhere/second"};
  const std::vector<std::string> second = {first[1], first[0]};
  sidecall_registry::Registration content;
  for (const auto& addresses : {first, second, first}) {
    auto& service = *content.add_services();
    service.set_name("test.Service" + std::to_string(content.services_size()));
    service.mutable_addresses()->Add(addresses.begin(), addresses.end());
  }
  auto own = Publish(content);
  ASSERT_TRUE(own.ok()) << own.status();
  EXPECT_EQ(Find("test.Service1").servers.at(0).addresses, first);
  EXPECT_EQ(Find("test.Service2").servers.at(0).addresses, second);
  EXPECT_EQ(Find("test.Service3").servers.at(0).addresses, first);
  std::ifstream file(directory() + "/instances/" + (*own)->id(), std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  size_t written = 0;
  for (size_t at = 0; (at = bytes.find(first[0], at)) != std::string::npos; at++) written++;
  EXPECT_EQ(written, 2u) << "for the first and the last, and for the one with another order";
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
