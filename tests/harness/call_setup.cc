#include "call_setup.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>

#include "call_plugin.h"
#include "transport/all_transports.h"

namespace conformance {
namespace {

// What a test has to know of a transport: a line each of those that are not as most are.
struct Nature {
  std::string_view scheme;
  bool has_addresses = true;     // else a channel needs what it is to connect to handed to it
  bool is_shared = true;         // all clients are of one server
  bool leaves_process = true;    // its name means something in another process
  bool stays_in_process = true;  // the server may be in the client's
  bool reaches_other_users = true;
  bool names_a_file = true;
  bool has_many_connections = true;  // more than four, for one user
  bool overtakes = false;            // what has a higher priority, in the kernel
};
constexpr std::array kNatures = {
    Nature{.scheme = "unix-abstract", .names_a_file = false},
    Nature{.scheme = "pipe", .reaches_other_users = false},
    Nature{.scheme = "mqueue",
           .reaches_other_users = false,
           .names_a_file = false,
           .has_many_connections = false,
           .overtakes = true},
    Nature{.scheme = "exec",
           .is_shared = false,
           .stays_in_process = false,
           .reaches_other_users = false,
           .names_a_file = false,
           .has_many_connections = false},
    Nature{.scheme = "fd", .has_addresses = false},
    Nature{.scheme = "inproc", .leaves_process = false, .reaches_other_users = false, .names_a_file = false},
};

Nature NatureOf(std::string_view scheme) {
  const auto* found = std::find_if(kNatures.begin(), kNatures.end(),
                                   [&](const Nature& nature) { return nature.scheme == scheme; });
  return found == kNatures.end() ? Nature{.scheme = scheme} : *found;
}

bool StaysInProcess(std::string_view scheme) {
  return !NatureOf(scheme).leaves_process;
}

void AddBoth(std::vector<Setup>& setups, const std::string& name, const std::string& scheme,
             const std::string& options) {
  if (NatureOf(scheme).stays_in_process) {
    setups.push_back({name + "_SameProcess", scheme, options, Place::kSameProcess});
  }
  if (!StaysInProcess(scheme)) {
    setups.push_back({name + "_TwoProcesses", scheme, options, Place::kOtherProcess});
    return;
  }
  static const bool told = [&] {
    std::printf("Not run with two processes: %s, which stays in one by its nature.\n", scheme.c_str());
    return true;
  }();
  (void)told;
}

}  // namespace

std::vector<Setup> AllSetups() {
  std::vector<Setup> setups;
  for (const auto& transport : sidecall::AllTransports()) {
    const std::string scheme(transport->scheme());
    if (!NatureOf(scheme).has_addresses) continue;
    std::string name = scheme;
    std::replace(name.begin(), name.end(), '-', '_');
    AddBoth(setups, name, scheme, "");
    // The smallest rings wrap and fill where the usual ones seldom do.
    if (scheme == "shm") AddBoth(setups, "shm_smallest_ring", scheme, "?ring=65536");
  }
  return setups;
}

std::vector<Setup> SetupsWhere(Wanted wanted) {
  std::vector<Setup> setups = AllSetups();
  std::erase_if(setups, [wanted](const Setup& setup) { return !wanted(setup); });
  return setups;
}

bool InOneProcess(const Setup& setup) {
  return setup.place == Place::kSameProcess;
}

bool InTwoProcesses(const Setup& setup) {
  return setup.place == Place::kOtherProcess;
}

bool MayLeaveTheProcess(const Setup& setup) {
  return !StaysInProcess(setup.scheme);
}

bool NamesAFile(const Setup& setup) {
  return NatureOf(setup.scheme).names_a_file;
}

bool ReachesOtherUsers(const Setup& setup) {
  return NatureOf(setup.scheme).reaches_other_users;
}

bool HasManyConnections(const Setup& setup) {
  return NatureOf(setup.scheme).has_many_connections;
}

bool SharesAServer(const Setup& setup) {
  return NatureOf(setup.scheme).is_shared;
}

bool SharesAServerInAnotherProcess(const Setup& setup) {
  return SharesAServer(setup) && InTwoProcesses(setup);
}

std::string SmallConnections(const Setup& setup) {
  return setup.scheme == "mqueue" ? "?messages=10&message_bytes=2048" : "";
}

bool HasRoomForUnread(const Setup& setup) {
  // Ten messages fill a queue, however small they are.
  return !NatureOf(setup.scheme).overtakes;
}

bool OvertakesInTheKernel(const Setup& setup) {
  return NatureOf(setup.scheme).overtakes && InTwoProcesses(setup);
}

bool AnyoneMayConnect(const std::string& scheme) {
  return NatureOf(scheme).has_addresses && NatureOf(scheme).is_shared;
}

std::string AddressAt(const std::string& scheme, const std::string& path) {
  if (scheme == "exec") return PluginServer::Address(path);
  if (scheme != "mqueue") return scheme + ":" + path;
  std::string name = path;  // A queue's has one slash, its first character.
  std::replace(name.begin() + 1, name.end(), '/', '.');
  return scheme + ":" + name;
}

std::string SetupName(const testing::TestParamInfo<Setup>& info) {
  return info.param.name;
}

void PrintTo(const Setup& setup, std::ostream* out) {
  *out << setup.name;
}

std::string ServerTest::address() const {
  return AddressAt(GetParam().scheme, directory_.path() + "/server") + GetParam().options;
}

std::string ServerTest::place() const {
  const std::string without_options = AddressAt(GetParam().scheme, directory_.path() + "/server");
  return without_options.substr(without_options.find(':') + 1);
}

void ServerTest::StartServer(const sidecall::ServerOptions& options) {
  auto server = ServerUnderTest::Start(GetParam().place, {address()}, options);
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
}

std::shared_ptr<sidecall::Channel> ServerTest::NewChannel(const sidecall::ChannelOptions& options) const {
  auto channel = sidecall::CreateChannel(address() + SmallConnections(GetParam()), options);
  if (server_ == nullptr || SharesAServer(GetParam())) return channel;
  // A server that is started with the connection takes its time, which is none of a call's deadline.
  const absl::Time limit = absl::Now() + absl::FromChrono(kPatience);
  using sidecall::ChannelState;
  for (ChannelState state = channel->GetState(true);
       state == ChannelState::kIdle || state == ChannelState::kConnecting; state = channel->GetState(false)) {
    if (!channel->WaitForStateChange(state, limit)) break;
  }
  return channel;
}

void ServerTest::TearDown() {
  server_.reset();
  if (remains_expected_) return;
  EXPECT_EQ(directory_.List(), "") << "the server left something behind";
}

testing::AssertionResult HasCode(const absl::Status& status, absl::StatusCode code) {
  if (status.code() == code) return testing::AssertionSuccess();
  return testing::AssertionFailure() << status << " instead of " << absl::StatusCodeToString(code);
}

testing::AssertionResult Says(const absl::Status& status, const std::string& text) {
  if (sidecall::StatusMessage(status).find(text) != std::string_view::npos)
    return testing::AssertionSuccess();
  return testing::AssertionFailure() << status << " does not say '" << text << "'";
}

}  // namespace conformance
