// What every contract test starts from: an address of the transport, and two connected ends.
#ifndef SIDECALL_TESTS_CONFORMANCE_TRANSPORT_FIXTURE_H_
#define SIDECALL_TESTS_CONFORMANCE_TRANSPORT_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/conformance/transport_end.h"
#include "tests/unit/temp_dir.h"
#include "transport/all_transports.h"

namespace sidecall {

// How a transport is reached in a test. One line per transport, in transport_fixture.cc.
struct TransportUnderTest {
  std::string_view scheme;
  bool crosses_processes;
  // An address that nobody else has, below `dir`.
  std::string (*address)(const std::string& dir);
  // Frames of control and urgent ones overtake those that the kernel has already.
  bool overtakes = false;
  // Anybody may listen and connect there. Else (a child, pipes that are there) it has tests of its own,
  // tests/exec.
  bool has_addresses = true;
};
// Null for a transport that the table does not know: every test of it fails, and says so.
const TransportUnderTest* FindTransportUnderTest(std::string_view scheme);

// Waits until `listener` has a connection. Null where none came before the deadline.
std::unique_ptr<Connection> AwaitConnection(Listener& listener);

class TransportTest : public testing::TestWithParam<const Transport*> {
 protected:
  void SetUp() override;

  const Transport& transport() const { return *GetParam(); }
  std::unique_ptr<Listener> Listen();
  // Listens, connects and accepts.
  void Connect();

  TempDir dir_;
  Address address_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<End> client_;
  std::unique_ptr<End> server_;
};

// How GoogleTest shows the parameter; a pointer would differ from run to run.
inline void PrintTo(const Transport* transport, std::ostream* out) {
  *out << transport->scheme();
}
// "unix_abstract", for the names of tests.
std::string NameOfTransport(const testing::TestParamInfo<const Transport*>& info);
std::vector<const Transport*> TransportsToTest();
// Without those that stay within one process by their nature.
std::vector<const Transport*> TransportsAcrossProcesses();

}  // namespace sidecall

#endif  // SIDECALL_TESTS_CONFORMANCE_TRANSPORT_FIXTURE_H_
