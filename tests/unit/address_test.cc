// "scheme:rest?option=value".
#include "transport/address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "transport/all_transports.h"

namespace sidecall {
namespace {

using testing::HasSubstr;

std::string Message(const absl::Status& status) {
  return std::string(status.message());
}

TEST(Address, SchemeAndRest) {
  auto address = Address::Parse("unix:/run/hello");
  ASSERT_TRUE(address.ok()) << address.status();
  EXPECT_EQ(address->text, "unix:/run/hello");
  EXPECT_EQ(address->scheme, "unix");
  EXPECT_EQ(address->rest, "/run/hello");
  EXPECT_TRUE(address->options.empty());
}

TEST(Address, RestKeepsLaterColonsAndSpaces) {
  auto address = Address::Parse("unix-abstract:a:b c");
  ASSERT_TRUE(address.ok()) << address.status();
  EXPECT_EQ(address->scheme, "unix-abstract");
  EXPECT_EQ(address->rest, "a:b c");
}

TEST(Address, Options) {
  auto address = Address::Parse("shm:/run/x?ring=65536&wakeup=a=b?c");
  ASSERT_TRUE(address.ok()) << address.status();
  EXPECT_EQ(address->rest, "/run/x");
  EXPECT_THAT(address->options,
              testing::ElementsAre(testing::Pair("ring", "65536"), testing::Pair("wakeup", "a=b?c")));
}

TEST(Address, WhatIsNoAddress) {
  for (const char* text : {"", "/run/hello", ":", ":/run", "unix:", "unix:?a=b", "unix:/x?", "unix:/x?a",
                           "unix:/x?a=", "unix:/x?=b", "unix:/x?a=b&", "unix:/x?&a=b"}) {
    auto address = Address::Parse(text);
    EXPECT_TRUE(absl::IsInvalidArgument(address.status())) << text;
    EXPECT_THAT(Message(address.status()), HasSubstr("'" + std::string(text) + "'"));
  }
}

TEST(Address, UnknownOptionIsNamedWithTheKnownOnes) {
  auto address = Address::Parse("shm:/x?rings=1");
  ASSERT_TRUE(address.ok());
  const absl::Status refused = address->CheckOptions("ring wakeup");
  EXPECT_TRUE(absl::IsInvalidArgument(refused));
  EXPECT_THAT(Message(refused), HasSubstr("'rings'"));
  EXPECT_THAT(Message(refused), HasSubstr("ring wakeup"));
  EXPECT_THAT(Message(address->CheckOptions("")), HasSubstr("none"));
  EXPECT_TRUE(address->CheckOptions("wakeup rings").ok());
  EXPECT_TRUE(Address::Parse("shm:/x")->CheckOptions("").ok());
}

TEST(Address, SizeOptionIsANumberWithinBounds) {
  auto size = [](const char* text) { return Address::Parse(text)->SizeOption("ring", 7, 10, 20); };
  EXPECT_EQ(*size("shm:/x"), 7u);
  EXPECT_EQ(*size("shm:/x?ring=10"), 10u);
  EXPECT_EQ(*size("shm:/x?ring=20"), 20u);
  for (const char* text : {"shm:/x?ring=9", "shm:/x?ring=21", "shm:/x?ring=-1", "shm:/x?ring=1e1",
                           "shm:/x?ring=12k", "shm:/x?ring=18446744073709551626"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(size(text).status())) << text;
    EXPECT_THAT(Message(size(text).status()), HasSubstr("from 10 to 20"));
  }
}

TEST(Address, ClientsAreNotToldOfTheListenersDescriptor) {
  auto told = [](const char* text) { return Address::Parse(text)->ForClients(); };
  EXPECT_EQ(told("shm:/x"), "shm:/x");
  EXPECT_EQ(told("shm:/x?wakeup=poll&ring=9"), "shm:/x?wakeup=poll&ring=9") << "as it was written";
  EXPECT_EQ(told("shm:/x?fd=3"), "shm:/x");
  EXPECT_EQ(told("shm:/x?ring=9&fd=3&wakeup=poll"), "shm:/x?ring=9&wakeup=poll");
}

TEST(Address, SchemeFindsItsTransport) {
  for (const auto& transport : AllTransports()) {
    auto found = FindTransport(*Address::Parse(std::string(transport->scheme()) + ":x"));
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(*found, transport.get());
  }
  auto unknown = FindTransport(*Address::Parse("tcp:localhost"));
  EXPECT_TRUE(absl::IsInvalidArgument(unknown.status()));
  for (const auto& transport : AllTransports()) {
    EXPECT_THAT(Message(unknown.status()), HasSubstr(std::string(transport->scheme())));
  }
}

}  // namespace
}  // namespace sidecall
