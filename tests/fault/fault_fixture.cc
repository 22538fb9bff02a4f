#include "fault_fixture.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

namespace fault {
namespace {

using conformance::AllSetups;
using conformance::HandlersReply;
using conformance::HasCode;
using conformance::InOneProcess;

// With the server in a process of its own; inproc, which has no other, in the test's.
std::vector<Setup> Setups() {
  std::vector<Setup> setups = AllSetups();
  std::erase_if(setups, [](const Setup& setup) {
    return !setup.options.empty() || !SharesAServer(setup) ||
           (InOneProcess(setup) && MayLeaveTheProcess(setup));
  });
  return setups;
}

std::string Name(const testing::TestParamInfo<Setup>& info) {
  std::string name = info.param.scheme;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Over, FaultTest, testing::ValuesIn(Setups()), Name);

std::string FaultTest::address() const {
  return conformance::AddressAt(GetParam().scheme, socket()) + address_options_;
}

TestService::Stub FaultTest::NewStub() const {
  const std::string small = address_options_.empty() ? conformance::SmallConnections(GetParam()) : "";
  return TestService::Stub(sidecall::CreateChannel(address() + small));
}

void FaultTest::Begin(sidecall::ServerOptions more) {
  more.max_handler_threads = kHandlerThreads;
  options_ = more;
  Start();
}

void FaultTest::Start() {
  auto server = conformance::ServerUnderTest::Start(GetParam().place, {address()}, options_);
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
  pid_ = server_->pid();
  good_ = std::make_unique<TestService::Stub>(sidecall::CreateChannel(address()));
  ASSERT_TRUE(conformance::Echoes(*good_, 1));
  entered_before_ = 0;
  entered_before_ = Handlers().entered();
  base_line_ = BaseLine::Take(pid_, directory_.path(), kHandlerThreads);
}

void FaultTest::BeginAnew() {
  good_.reset();
  server_.reset();
  Start();
}

void FaultTest::RestartServer() {
  if (InTwoProcesses(GetParam())) {
    ASSERT_EQ(server_->Ask("restart"), "yes");
    return;
  }
  server_.reset();
  auto server = conformance::ServerUnderTest::Start(GetParam().place, {address()}, options_);
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
}

void FaultTest::TearDown() {
  if (!base_line_.has_value()) return;
  EXPECT_EQ(server_->pid(), pid_);
  EXPECT_TRUE(GoodCall()) << "a good call after the fault";
  EXPECT_TRUE(Echo(NewStub(), 2, absl::Seconds(kSlowness)).ok()) << "a new client after the fault";
  EXPECT_EQ(begun_.load(), ended_.load()) << "calls of the client that began, and that ended";
  EXPECT_TRUE(EachHandlerEnded());
  EXPECT_TRUE(base_line_->IsBack());
  EXPECT_TRUE(base_line_->IsIdle());
  good_.reset();
  server_.reset();
  EXPECT_EQ(directory_.List(), "") << "the server left something behind";
}

absl::Status FaultTest::Echo(const TestService::Stub& stub, int64_t number, absl::Duration timeout) {
  return Call([&]() -> absl::Status {
    sidecall::ClientContext context;
    context.set_timeout(timeout);
    EchoMessage request;
    request.set_number(number);
    EchoMessage reply;
    const absl::Status status = stub.Echo(&context, request, &reply);
    EXPECT_TRUE(!status.ok() || reply.number() == number) << reply.number() << " is another's reply";
    return status;
  });
}

absl::Status FaultTest::Sleep(const TestService::Stub& stub, const std::string& gate,
                              absl::Duration timeout) {
  return Call([&] {
    sidecall::ClientContext context;
    context.set_timeout(timeout);
    conformance::SleepRequest request;
    request.set_gate(gate);
    EchoMessage reply;
    return stub.Sleep(&context, request, &reply);
  });
}

testing::AssertionResult FaultTest::GoodCall() {
  const absl::Status status = Echo(*good_, 1, absl::Seconds(kSlowness));
  return status.ok() ? testing::AssertionSuccess() : testing::AssertionFailure() << status;
}

HandlersReply FaultTest::Handlers() {
  PatientContext context;
  HandlersReply reply;
  const absl::Status status = good_->Handlers(&context, EmptyMessage(), &reply);
  EXPECT_TRUE(status.ok()) << status;
  reply.set_entered(reply.entered() - entered_before_);
  reply.set_left(reply.left() - entered_before_);
  return reply;
}

// A cancelled one may take a moment.
testing::AssertionResult FaultTest::EachHandlerEnded() {
  const auto limit = std::chrono::steady_clock::now() + kPatience;
  HandlersReply handlers;
  do {
    handlers = Handlers();
    if (handlers.entered() == handlers.left()) return testing::AssertionSuccess();
    poll(nullptr, 0, 2);
  } while (std::chrono::steady_clock::now() < limit);
  return testing::AssertionFailure() << handlers.entered() << " handlers began, " << handlers.left()
                                     << " ended";
}

}  // namespace fault
