// How to test code that calls a service: a fake of the service, served in the same process. Everything is as
// it will be, deadlines and errors included, but nothing leaves the process, and no file is made.
#include "testing/heating.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "sidecall/sidecall.h"

namespace thermostat {
namespace {

// Answers as each test says.
class FakeThermometer final : public Thermometer::Service {
 public:
  std::function<absl::Status(sidecall::ServerContext&, const std::string& room, Reading&)> read;

 private:
  absl::Status Read(sidecall::ServerContext* context, const ReadRequest* request, Reading* reply) override {
    return read(*context, request->room(), *reply);
  }
};

class HeatingTest : public testing::Test {
 protected:
  void SetUp() override {
    // A name of the test's own, so that tests may run beside each other.
    const std::string address =
        std::string("inproc:") + testing::UnitTest::GetInstance()->current_test_info()->name();
    auto server = sidecall::ServerBuilder().AddAddress(address).RegisterService(&fake_).BuildAndStart();
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    heating_ = std::make_unique<Heating>(sidecall::CreateChannel(address));
  }

  FakeThermometer fake_;
  std::unique_ptr<sidecall::Server> server_;
  std::unique_ptr<Heating> heating_;
};

TEST_F(HeatingTest, HeatsAColdRoomOnly) {
  fake_.read = [](sidecall::ServerContext&, const std::string& room, Reading& reply) {
    reply.set_celsius(room == "cellar" ? 12 : 22);
    return absl::OkStatus();
  };
  EXPECT_EQ(*heating_->MustHeat("cellar", 18), true);
  EXPECT_EQ(*heating_->MustHeat("kitchen", 18), false);
}

TEST_F(HeatingTest, PassesErrorsOn) {
  fake_.read = [](sidecall::ServerContext&, const std::string& room, Reading&) {
    return absl::NotFoundError("no thermometer in the " + room);
  };
  EXPECT_EQ(heating_->MustHeat("attic", 18).status(), absl::NotFoundError("no thermometer in the attic"));
}

TEST_F(HeatingTest, GivesUpOnAThermometerThatHangs) {
  fake_.read = [](sidecall::ServerContext& context, const std::string&, Reading&) {
    while (!context.IsCancelled()) {
    }
    return absl::CancelledError("too late");
  };
  EXPECT_TRUE(absl::IsDeadlineExceeded(heating_->MustHeat("kitchen", 18).status()));
}

TEST_F(HeatingTest, ServiceThatIsGone) {
  server_->Shutdown();
  EXPECT_TRUE(absl::IsUnavailable(heating_->MustHeat("kitchen", 18).status()));
}

}  // namespace
}  // namespace thermostat
