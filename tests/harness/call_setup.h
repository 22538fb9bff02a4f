// ServerTest: the fixture of every test that holds for all transports, with the server in the same process
// and in another.
//
//   class MetadataTest : public conformance::ServerTest {};
//   SIDECALL_OVER_ALL_TRANSPORTS(MetadataTest);
//   TEST_P(MetadataTest, custom_metadata) { ... }
#ifndef SIDECALL_TESTS_HARNESS_CALL_SETUP_H_
#define SIDECALL_TESTS_HARNESS_CALL_SETUP_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "call_patience.h"
#include "call_server.h"
#include "call_temp_dir.h"
#include "sidecall/sidecall.h"

namespace conformance {

struct Setup {
  std::string name;     // "shm_TwoProcesses"
  std::string scheme;   // "shm"
  std::string options;  // "?ring=65536"
  Place place;
};

// Every registered transport, twice. One that cannot leave the process is left out of the second round, with
// a note.
std::vector<Setup> AllSetups();
// Those of them for which a behaviour makes sense at all.
using Wanted = bool (*)(const Setup& setup);
std::vector<Setup> SetupsWhere(Wanted wanted);
bool InOneProcess(const Setup& setup);
bool InTwoProcesses(const Setup& setup);
bool MayLeaveTheProcess(const Setup& setup);
bool NamesAFile(const Setup& setup);
bool ReachesOtherUsers(const Setup& setup);
bool HasManyConnections(const Setup& setup);
// All clients are those of one server. Else each has started its own.
bool SharesAServer(const Setup& setup);
bool SharesAServerInAnotherProcess(const Setup& setup);
// What a client's address ends with where a user has room for few connections of the usual size: smaller
// ones.
std::string SmallConnections(const Setup& setup);
// For a window of small messages that nobody has read, and some more.
bool HasRoomForUnread(const Setup& setup);
// Between two processes, one of which can be stopped while it does.
bool OvertakesInTheKernel(const Setup& setup);
// Whether whoever knows an address of the transport may connect to it. Not to a child, nor over pipes that
// are there already: what these have of their own has tests of its own, tests/exec.
bool AnyoneMayConnect(const std::string& scheme);
// An address of the transport that is as much one's own as `path` is.
std::string AddressAt(const std::string& scheme, const std::string& path);
std::string SetupName(const testing::TestParamInfo<Setup>& info);
void PrintTo(const Setup& setup, std::ostream* out);

#define SIDECALL_OVER_ALL_TRANSPORTS(suite)                                            \
  INSTANTIATE_TEST_SUITE_P(Over, suite, testing::ValuesIn(::conformance::AllSetups()), \
                           ::conformance::SetupName)
#define SIDECALL_OVER_TRANSPORTS_WHERE(suite, wanted)                                          \
  INSTANTIATE_TEST_SUITE_P(Over, suite, testing::ValuesIn(::conformance::SetupsWhere(wanted)), \
                           ::conformance::SetupName)

class ServerTest : public testing::TestWithParam<Setup> {
 protected:
  // The server has gone, and left nothing behind.
  void TearDown() override;

  // Starts the server. The test fails where that does.
  void StartServer(const sidecall::ServerOptions& options = {});
  void StopServer() { server_.reset(); }
  // Where the server is killed, its socket stays.
  void ExpectRemains() { remains_expected_ = true; }

  ServerUnderTest& server() { return *server_; }
  bool other_process() const { return GetParam().place == Place::kOtherProcess; }
  std::string address() const;
  // What messages about it say: the address without its scheme and options.
  std::string place() const;
  const TempDir& directory() const { return directory_; }
  std::shared_ptr<sidecall::Channel> NewChannel(const sidecall::ChannelOptions& options = {}) const;

 private:
  TempDir directory_;
  std::unique_ptr<ServerUnderTest> server_;
  bool remains_expected_ = false;
};

// What every status of a test is compared by.
testing::AssertionResult HasCode(const absl::Status& status, absl::StatusCode code);
testing::AssertionResult Says(const absl::Status& status, const std::string& text);

}  // namespace conformance

#endif  // SIDECALL_TESTS_HARNESS_CALL_SETUP_H_
