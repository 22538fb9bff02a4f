// What a config file may say, and what is said of one that is wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "core/access.h"
#include "core/config_file.h"

namespace sidecall {
namespace {

using testing::ElementsAre;
using testing::StartsWith;

TEST(ConfigTest, Everything) {
  auto config = ParseConfig(R"(
service {
  name: "*"
  serve: ["shm", "unix"]
  access { user: "root" group: ["root", "4321"] }
}
service {
  name: "hello.Greeter"  # a comment
  transports: "unix"
  method { name: "SayHello" access { anyone: true } }
}
)",
                            "/file");
  ASSERT_TRUE(config.ok()) << config.status();
  ASSERT_NE(config->Serve("hello.Greeter"), nullptr) << "what its own entry leaves out";
  EXPECT_THAT(config->Serve("hello.Greeter")->schemes, ElementsAre("shm", "unix"));
  EXPECT_EQ(config->Serve("hello.Greeter")->place, "/file:4:3");
  EXPECT_THAT(config->Take("hello.Greeter")->schemes, ElementsAre("unix"));
  EXPECT_EQ(config->Take("another.Service"), nullptr);
  const auto& all = config->services.find("*")->second;
  EXPECT_THAT(all.access->rule.uids, ElementsAre(0));
  EXPECT_THAT(all.access->rule.gids, ElementsAre(0, 4321));
  EXPECT_EQ(all.access->place, "/file:5:3");
  const auto& method = config->services.find("hello.Greeter")->second.methods.at("SayHello");
  PeerIdentity peer;
  peer.uid = 77;
  EXPECT_TRUE(AccessGuard(method.rule, "").Admits(peer, "hello.Greeter/SayHello"));
  peer.uid.reset();
  EXPECT_FALSE(AccessGuard(method.rule, "").Admits(peer, "hello.Greeter/SayHello"));
}

TEST(ConfigTest, Nothing) {
  auto config = ParseConfig("", "/file");
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->Serve("hello.Greeter"), nullptr);
}

struct Wrong {
  const char* text;
  const char* error;
};

TEST(ConfigTest, WhatIsWrongAndWhere) {
  const Wrong wrongs[] = {
      {"service {\n  name: \"x.Y\"\n  sevre: \"shm\"\n}", "/file:3:8: "},
      {"service {", "/file:1:10: "},
      {"service { name: \"x.Y\"\n  serve: [\"shm\",\n  \"smoke\"] }",
       "/file:2:3: there is no transport 'smoke'. There are: "},
      {"service { name: \"x.Y\"\n  transports: [\"\"] }", "/file:2:3: there is no transport ''"},
      {"\nservice { name: \"../etc\" }", "/file:2:1: '../etc' is no name of a service"},
      {"service { }", "/file:1:1: '' is no name of a service"},
      {"service { name: \"x.Y\" }\nservice { name: \"x.Y\" }", "/file:2:1: x.Y is there twice"},
      {"service { name: \"x.Y\"\n access { user: \"no such user\" } }",
       "/file:2:11: there is no user 'no such user'"},
      {"service { name: \"x.Y\"\n access { group: \"-1\" } }", "/file:2:11: there is no group '-1'"},
      {"service { name: \"x.Y\"\n method { name: \"M\" access { user: \"no such\" } } }",
       "/file:2:30: there is no user"},
      {"service { name: \"x.Y\"\n method { access { } } }", "/file:2:2: a method has no name"},
      {"service { name: \"x.Y\"\n method { name: \"x.Y/M\" access { } } }",
       "/file:2:2: a method has no name, or more"},
      {"service { name: \"x.Y\"\n method { name: \"M\" } }", "/file:2:2: nothing is said of M"},
      {"service { name: \"x.Y\" method { name: \"M\" access { } }\n method { name: \"M\" access { } } }",
       "/file:2:2: M is there twice"},
      {"service { name: \"*\"\n method { name: \"M\" access { } } }",
       "/file:2:2: every service has methods of its own"},
      {"service { name: \"\xff\" }", "/file:"},
  };
  for (const Wrong& wrong : wrongs) {
    const absl::Status status = ParseConfig(wrong.text, "/file").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << wrong.text;
    EXPECT_THAT(std::string(status.message()), StartsWith(wrong.error)) << wrong.text;
  }
}

}  // namespace
}  // namespace sidecall
