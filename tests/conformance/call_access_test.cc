// Who may call what: rules by uid, gid and predicate, over every transport.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "call_child.h"
#include "call_fixture.h"
#include "call_gates.h"
#include "call_services.h"

namespace conformance {
namespace {

using sidecall::AccessRule;
using sidecall::PeerIdentity;
using Rules = std::map<std::string, AccessRule>;

constexpr char kService[] = "conformance.TestService";
constexpr uid_t kStranger = 54321;

AccessRule Uid(uid_t uid) {
  return {.uids = {uid}};
}

class AccessTest : public CallTest {
 protected:
  void TearDown() override {
    guarded_.reset();
    CallTest::TearDown();
  }
  absl::Status Start(const Rules& rules) {
    guarded_.reset();
    services_ = MakeServices(address(), gates_);
    sidecall::ServerBuilder builder;
    builder.AddAddress(address());
    services_->RegisterWith(builder);
    for (const auto& [name, rule] : rules) builder.SetAccess(name, rule);
    auto server = builder.BuildAndStart();
    if (!server.ok()) return server.status();
    guarded_ = *std::move(server);
    return absl::OkStatus();
  }
  absl::Status Echo() const {
    PatientContext context;
    EchoMessage reply;
    return NewStub().Echo(&context, EchoMessage(), &reply);
  }

 private:
  Gates gates_;
  std::unique_ptr<Services> services_;
  std::unique_ptr<sidecall::Server> guarded_;
};
SIDECALL_OVER_TRANSPORTS_WHERE(AccessTest, InOneProcess);

TEST_P(AccessTest, ByUid) {
  ASSERT_TRUE(Start({{kService, Uid(geteuid())}}).ok());
  EXPECT_TRUE(Echo().ok());
  ASSERT_TRUE(Start({{kService, Uid(geteuid() + 1)}}).ok());
  const absl::Status refused = Echo();
  EXPECT_TRUE(HasCode(refused, absl::StatusCode::kPermissionDenied));
  EXPECT_TRUE(Says(refused, absl::StrCat("conformance.TestService/Echo is not for uid ", geteuid(), ", gid ",
                                         getegid(), ", pid ", getpid())));
}

TEST_P(AccessTest, ByGid) {
  ASSERT_TRUE(Start({{kService, {.gids = {getegid()}}}}).ok());
  EXPECT_TRUE(Echo().ok());
  ASSERT_TRUE(Start({{kService, {.gids = {987654}}}}).ok());
  EXPECT_TRUE(HasCode(Echo(), absl::StatusCode::kPermissionDenied));
}

// A rule that names nobody lets nobody in.
TEST_P(AccessTest, TheNarrowestRuleHolds) {
  const std::string echo = absl::StrCat(kService, "/Echo");
  ASSERT_TRUE(Start({{"*", AccessRule()}, {kService, Uid(geteuid())}}).ok());
  EXPECT_TRUE(Echo().ok());
  ASSERT_TRUE(
      Start({{"*", AccessRule::Anyone()}, {kService, AccessRule::Anyone()}, {echo, AccessRule()}}).ok());
  EXPECT_TRUE(HasCode(Echo(), absl::StatusCode::kPermissionDenied));
  PatientContext context;
  EmptyMessage reply;
  EXPECT_TRUE(NewStub().Empty(&context, EmptyMessage(), &reply).ok()) << "another method";
  ASSERT_TRUE(Start({{"*", AccessRule()}}).ok());
  EXPECT_TRUE(HasCode(Echo(), absl::StatusCode::kPermissionDenied));
}

TEST_P(AccessTest, ByPredicate) {
  std::atomic<int> asked{0};
  const auto rule = [&](const PeerIdentity& peer, std::string_view method) {
    asked++;
    EXPECT_EQ(peer.uid, geteuid());
    return method == "conformance.TestService/Echo";
  };
  ASSERT_TRUE(Start({{"*", {.predicate = rule}}}).ok());
  EXPECT_TRUE(Echo().ok());
  EXPECT_TRUE(Echo().ok());
  EXPECT_EQ(asked, 2) << "each call anew";
  PatientContext context;
  EmptyMessage reply;
  EXPECT_TRUE(
      HasCode(NewStub().Empty(&context, EmptyMessage(), &reply), absl::StatusCode::kPermissionDenied));
  EXPECT_EQ(asked, 3);

  ASSERT_TRUE(Start({{"*", {.uids = {geteuid()}, .predicate = rule}}}).ok());
  EXPECT_TRUE(Echo().ok());
  EXPECT_EQ(asked, 3) << "its uid is enough";
}

TEST_P(AccessTest, APredicateThatThrows) {
  const auto rule = [](const PeerIdentity&, std::string_view) -> bool { throw std::runtime_error("broken"); };
  ASSERT_TRUE(Start({{"*", {.predicate = rule}}}).ok());
  EXPECT_TRUE(HasCode(Echo(), absl::StatusCode::kPermissionDenied));
  EXPECT_TRUE(HasCode(Echo(), absl::StatusCode::kPermissionDenied)) << "the server lives on";
}

// Refused by a list, which is known at once, and by a predicate, which is asked on the handler's thread.
TEST_P(AccessTest, EachKindOfCall) {
  const AccessRule lists = Uid(geteuid() + 1);
  const AccessRule asks{.predicate = [](const PeerIdentity&, std::string_view) { return false; }};
  for (const AccessRule& rule : {lists, asks}) {
    ASSERT_TRUE(Start({{kService, rule}}).ok());
    const TestService::Stub stub = NewStub();
    PatientContext contexts[4];
    EchoMessage message;
    StreamSummary summary;
    auto writer = stub.ClientStream(&contexts[0], &summary);
    writer->Write(message);
    EXPECT_TRUE(HasCode(writer->Finish(), absl::StatusCode::kPermissionDenied));
    StreamRequest request;
    request.set_count(3);
    auto reader = stub.ServerStream(&contexts[1], request);
    EXPECT_FALSE(reader->Read(&message));
    EXPECT_TRUE(HasCode(reader->Finish(), absl::StatusCode::kPermissionDenied));
    auto both = stub.BidirectionalStream(&contexts[2]);
    both->Write(message);
    EXPECT_FALSE(both->Read(&message));
    EXPECT_TRUE(HasCode(both->Finish(), absl::StatusCode::kPermissionDenied));
    EchoMessage reply;
    EXPECT_TRUE(HasCode(stub.async().Echo(&contexts[3], message, &reply).Finish(),
                        absl::StatusCode::kPermissionDenied));
  }
}

TEST_P(AccessTest, ARuleForNothing) {
  absl::Status status = Start({{"conformance.TestServise", AccessRule::Anyone()}});
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kInvalidArgument));
  EXPECT_TRUE(Says(status, "this server has no service conformance.TestServise"));
  status = Start({{"conformance.TestService/Ecko", AccessRule::Anyone()}});
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kInvalidArgument));
  EXPECT_TRUE(Says(status, "has no method Ecko. Nearest: Echo"));
}

// -- Peers that are somebody else

bool InOneProcessAndOthersConnect(const Setup& setup) {
  return InOneProcess(setup) && ReachesOtherUsers(setup);
}

class StrangersAccessTest : public AccessTest {
 protected:
  // The server's address is open to all; what `user` is told.
  std::string CallAs(const std::string& user) {
    EXPECT_EQ(chmod(directory().path().c_str(), 0711), 0);
    const std::string path = directory().path() + "/server";
    if (access(path.c_str(), F_OK) == 0) {
      EXPECT_EQ(chmod(path.c_str(), 0777), 0);
    }
    auto client = Child::Start({"identity", user, address()});
    return client != nullptr ? client->Ask("call") : "no child";
  }
};
SIDECALL_OVER_TRANSPORTS_WHERE(StrangersAccessTest, InOneProcessAndOthersConnect);

TEST_P(StrangersAccessTest, ByUid) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  ASSERT_TRUE(Start({{kService, Uid(0)}}).ok());
  const std::string refused = CallAs("54321");
  EXPECT_TRUE(refused.starts_with(
      "PERMISSION_DENIED: conformance.TestService/PeerIdentity is not for uid 54321, gid 54321, pid"))
      << refused;
  ASSERT_TRUE(Start({{kService, Uid(kStranger)}}).ok());
  EXPECT_TRUE(CallAs("54321").starts_with("uid 54321 "));
}

TEST_P(StrangersAccessTest, BySupplementaryGroup) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  ASSERT_TRUE(Start({{kService, {.gids = {44}}}}).ok());
  EXPECT_TRUE(CallAs("54321").starts_with("PERMISSION_DENIED"));
  EXPECT_TRUE(CallAs("54321+44").starts_with("uid 54321 "));
}

// The kernel's way of saying that it does not know: nobody is to come in as that, whatever the rule says.
TEST_P(StrangersAccessTest, TheOverflowUidMatchesNothing) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  for (const AccessRule& rule : {AccessRule::Anyone(), Uid(65534), AccessRule{.gids = {65534}}}) {
    ASSERT_TRUE(Start({{kService, rule}}).ok());
    const std::string refused = CallAs("65534");
    EXPECT_TRUE(refused.starts_with("PERMISSION_DENIED")) << refused;
  }
}

}  // namespace
}  // namespace conformance
