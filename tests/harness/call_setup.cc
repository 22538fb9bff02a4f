#include "call_setup.h"

#include <algorithm>
#include <cstdio>
#include <string_view>

#include "transport/all_transports.h"

namespace conformance {
namespace {

// Whose name means nothing in another process.
bool StaysInProcess(std::string_view scheme) {
  return scheme == "inproc";
}

void AddBoth(std::vector<Setup>& setups, const std::string& name, const std::string& scheme,
             const std::string& options) {
  setups.push_back({name + "_SameProcess", scheme, options, Place::kSameProcess});
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
  return setup.scheme != "unix-abstract" && !StaysInProcess(setup.scheme);
}

std::string SetupName(const testing::TestParamInfo<Setup>& info) {
  return info.param.name;
}

void PrintTo(const Setup& setup, std::ostream* out) {
  *out << setup.name;
}

std::string ServerTest::address() const {
  return GetParam().scheme + ":" + directory_.path() + "/server" + GetParam().options;
}

void ServerTest::StartServer(const sidecall::ServerOptions& options) {
  auto server = ServerUnderTest::Start(GetParam().place, {address()}, options);
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
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
