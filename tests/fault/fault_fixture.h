// FaultTest: one row of the fault matrix over one transport, with the server in a process of its own (over
// inproc, in the test's), and with the five checks that hold after every row.
//
//   TEST_P(FaultTest, Row04_ServerStopped) {
//     SIDECALL_FAULT_NEEDS(MayLeaveTheProcess(GetParam()), "client and server are one process");
//     Begin();
//     ...
//   }
//
// Begin() starts the server, makes the good client, whose connection stays, and takes the base line.
// TearDown() checks:
//   1. the same server process lives;
//   2. a good call succeeds within a second, on the connection that was there and on a new one;
//   3. each call ended once: the client's and the server's books balance;
//   4. descriptors, mappings, threads, /dev/shm, /dev/mqueue and the test's directory are as they were;
//   5. the server is idle.
#ifndef SIDECALL_TESTS_FAULT_FAULT_FIXTURE_H_
#define SIDECALL_TESTS_FAULT_FAULT_FIXTURE_H_

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "base_line.h"
#include "call_fixture.h"

namespace fault {

using conformance::EchoMessage;
using conformance::EmptyMessage;
using conformance::InTwoProcesses;
using conformance::kPatience;
using conformance::kSanitized;
using conformance::kSlowness;
using conformance::MayLeaveTheProcess;
using conformance::NamesAFile;
using conformance::PatientContext;
using conformance::Scaled;
using conformance::Setup;
using conformance::SharesAServer;
using conformance::TestService;

inline constexpr size_t kHandlerThreads = 16;

// Ends the test, whose cell in the table becomes "-", where the row does not apply.
#define SIDECALL_FAULT_NEEDS(condition, reason) \
  if (!(condition)) GTEST_SKIP() << (reason)

class FaultTest : public testing::TestWithParam<Setup> {
 protected:
  // `more`: max_receive_message_bytes and the like; max_handler_threads is kHandlerThreads.
  void Begin(sidecall::ServerOptions more = {});
  // Of the server's address, "?option=value": before Begin.
  void SetAddressOptions(const std::string& options) { address_options_ = options; }
  void TearDown() override;

  // A new server at the same address, in a new process, after the death of the one before: the base line is
  // its own.
  void BeginAnew();
  // It is dead, and waited for.
  void ForgetServer() { server_.reset(); }
  // The same process serves anew.
  void RestartServer();

  conformance::ServerUnderTest& server() { return *server_; }
  pid_t server_pid() const { return server_->pid(); }
  std::string address() const;
  // Where the server's socket is, for those who write to it byte by byte.
  std::string socket() const { return directory_.path() + "/server"; }
  bool abstract() const { return GetParam().scheme == "unix-abstract"; }
  const conformance::TempDir& directory() const { return directory_; }
  // With a connection of its own; small ones, where a user may have few of the usual size.
  TestService::Stub NewStub() const;
  // The client that is no party to the fault.
  const TestService::Stub& good() const { return *good_; }

  // -- The client's book
  // -------------------------------------------------------------------------------------- Runs one call,
  // which gives its status. Any thread.
  template <typename Function>
  absl::Status Call(const Function& call) {
    begun_.fetch_add(1);
    absl::Status status = call();
    ended_.fetch_add(1);
    return status;
  }
  absl::Status Echo(const TestService::Stub& stub, int64_t number,
                    absl::Duration timeout = absl::FromChrono(kPatience));
  absl::Status Sleep(const TestService::Stub& stub, const std::string& gate,
                     absl::Duration timeout = absl::FromChrono(kPatience));
  uint64_t calls_begun() const { return begun_.load(); }
  // Within a second, on the connection that was there.
  testing::AssertionResult GoodCall();
  // What the server says of its handlers; those of the row, which Begin has seen none of.
  conformance::HandlersReply Handlers();

 private:
  void Start();
  testing::AssertionResult EachHandlerEnded();

  conformance::TempDir directory_;
  std::string address_options_;
  sidecall::ServerOptions options_;
  std::unique_ptr<conformance::ServerUnderTest> server_;
  std::unique_ptr<TestService::Stub> good_;
  std::optional<BaseLine> base_line_;
  uint64_t entered_before_ = 0;
  pid_t pid_ = 0;
  std::atomic<uint64_t> begun_{0};
  std::atomic<uint64_t> ended_{0};
};

}  // namespace fault

#endif  // SIDECALL_TESTS_FAULT_FAULT_FIXTURE_H_
