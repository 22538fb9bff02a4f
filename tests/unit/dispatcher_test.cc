// Methods by name, and what is said of names that are not there.
#include "core/dispatcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>

namespace sidecall {
namespace {

using internal::Method;
using internal::MethodKind;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

void Handle(Service& /*service*/, internal::ServerCall& /*call*/) {}

const Method kSayHello("hello.Greeter/SayHello", MethodKind::kUnary);
const Method kSayGoodbye("hello.Greeter/SayGoodbye", MethodKind::kUnary);
const Method kAdd("math.Calculator/Add", MethodKind::kUnary);
constexpr std::array<Service::MethodEntry, 2> kGreeterMethods = {
    {{&kSayHello, &Handle}, {&kSayGoodbye, &Handle}}};
constexpr std::array<Service::MethodEntry, 1> kCalculatorMethods = {{{&kAdd, &Handle}}};

class Greeter final : public Service {
 public:
  Greeter() : Service("hello.Greeter", kGreeterMethods) {}
};
class Calculator final : public Service {
 public:
  Calculator() : Service("math.Calculator", kCalculatorMethods) {}
};
class Named final : public Service {
 public:
  explicit Named(std::string_view name) : Service(name, {}) {}
};

class DispatcherTest : public testing::Test {
 protected:
  DispatcherTest() {
    EXPECT_TRUE(dispatcher_.Add(&greeter_).ok());
    EXPECT_TRUE(dispatcher_.Add(&calculator_).ok());
  }
  std::string NotFound(std::string_view name) {
    EXPECT_EQ(dispatcher_.Find(name), nullptr);
    const absl::Status status = dispatcher_.NotFound(name);
    EXPECT_TRUE(absl::IsUnimplemented(status)) << status;
    return std::string(status.message());
  }

  Greeter greeter_;
  Calculator calculator_;
  Dispatcher dispatcher_;
};

TEST_F(DispatcherTest, FindsEveryMethodWithItsService) {
  const Dispatcher::Entry* entry = dispatcher_.Find("hello.Greeter/SayGoodbye");
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry->service, &greeter_);
  EXPECT_EQ(entry->handler, &Handle);
  ASSERT_NE(dispatcher_.Find("math.Calculator/Add"), nullptr);
  EXPECT_EQ(dispatcher_.Find("math.Calculator/Add")->service, &calculator_);
}

TEST_F(DispatcherTest, ServiceIsAddedOnce) {
  Greeter again;
  EXPECT_TRUE(absl::IsAlreadyExists(dispatcher_.Add(&again)));
  EXPECT_EQ(dispatcher_.Find("hello.Greeter/SayHello")->service, &greeter_);
}

TEST_F(DispatcherTest, NearestMethodIsNamed) {
  EXPECT_THAT(NotFound("hello.Greeter/SayHelo"),
              AllOf(HasSubstr("hello.Greeter has no method SayHelo"), HasSubstr("Nearest: SayHello")));
}

TEST_F(DispatcherTest, NothingNearNamesThemAll) {
  EXPECT_THAT(NotFound("hello.Greeter/Zzzzzzzzzzzzzzzzzzz"),
              AllOf(HasSubstr("There are: SayHello, SayGoodbye"), Not(HasSubstr("Nearest"))));
}

TEST_F(DispatcherTest, NearestServiceIsNamed) {
  EXPECT_THAT(NotFound("helo.Greeter/SayHello"),
              AllOf(HasSubstr("no service helo.Greeter"), HasSubstr("Nearest: hello.Greeter"),
                    Not(HasSubstr("math"))));
}

TEST_F(DispatcherTest, OddNamesAreAnswered) {
  for (const char* name : {"", "/", "hello.Greeter", "hello.Greeter/", "/SayHello", "a/b/c"}) {
    EXPECT_FALSE(NotFound(name).empty()) << name;
  }
}

TEST_F(DispatcherTest, HostileNamesAreShortenedAndPrintable) {
  const std::string message = NotFound(std::string(60'000, '\x01') + "/" + std::string(5'000, '\xff'));
  EXPECT_LT(message.size(), 1000u);
  for (const char c : message) ASSERT_TRUE(c >= 0x20 && c <= 0x7e);
}

TEST_F(DispatcherTest, BuiltInServicesAreFoundAndNotAdvertised) {
  static const Method method("greeter.BuiltIn/Ask", MethodKind::kUnary);
  static constexpr std::array<Service::MethodEntry, 1> kMethods = {{{&method, nullptr}}};
  class BuiltIn final : public Service {
   public:
    BuiltIn() : Service("greeter.BuiltIn", kMethods) {}
  } built_in;
  dispatcher_.AddBuiltIn(&built_in, &Handle);
  ASSERT_NE(dispatcher_.Find("greeter.BuiltIn/Ask"), nullptr);
  EXPECT_EQ(dispatcher_.Find("greeter.BuiltIn/Ask")->handler, &Handle);
  EXPECT_EQ(dispatcher_.FindService("greeter.BuiltIn"), &built_in);
  EXPECT_TRUE(dispatcher_.Find("greeter.BuiltIn/Ask")->built_in);
  EXPECT_THAT(NotFound("greeter.BuiltIn/Aks"), HasSubstr("has no method Aks. Nearest: Ask"));
  EXPECT_THAT(NotFound("greeter.BuildIn/Ask"), Not(HasSubstr("greeter.BuiltIn")));
  EXPECT_THAT(NotFound("completely.DifferentFromAnything/Ask"),
              AllOf(HasSubstr("There are: hello.Greeter, math.Calculator"), Not(HasSubstr("BuiltIn"))));
}

TEST(Dispatcher, WithoutMethodsSaysSo) {
  Dispatcher dispatcher;
  EXPECT_THAT(std::string(dispatcher.NotFound("a.B/C").message()), HasSubstr("It has none"));
  Named empty("a.B");
  ASSERT_TRUE(dispatcher.Add(&empty).ok());
  EXPECT_THAT(std::string(dispatcher.NotFound("a.B/C").message()),
              HasSubstr("a.B has no method C. It has none"));
}

TEST(Dispatcher, AtMostThreeNearestAndEightOfAll) {
  Dispatcher dispatcher;
  Named services[] = {Named("s.A1"), Named("s.A2"), Named("s.A3"), Named("s.A4"), Named("s.A5"),
                      Named("s.A6"), Named("s.A7"), Named("s.A8"), Named("s.A9")};
  for (Named& service : services) ASSERT_TRUE(dispatcher.Add(&service).ok());
  const std::string near(dispatcher.NotFound("s.A0/X").message());
  EXPECT_THAT(near, HasSubstr("Nearest: s.A1, s.A2, s.A3"));
  EXPECT_THAT(near, Not(HasSubstr("s.A4")));
  const std::string far(dispatcher.NotFound("completely.Different/X").message());
  EXPECT_THAT(far, HasSubstr("s.A8, ..."));
  EXPECT_THAT(far, Not(HasSubstr("s.A9")));
}

}  // namespace
}  // namespace sidecall
