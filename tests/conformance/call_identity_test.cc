// Who is at the other end: the kernel's word, on both sides.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "call_child.h"
#include "call_fixture.h"

namespace conformance {
namespace {

class IdentityTest : public CallTest {
 protected:
  void SetUp() override { StartServer(); }
};
SIDECALL_OVER_ALL_TRANSPORTS(IdentityTest);

TEST_P(IdentityTest, EachKnowsTheOther) {
  PatientContext context;
  IdentityReply reply;
  ASSERT_TRUE(NewStub().PeerIdentity(&context, EmptyMessage(), &reply).ok());
  EXPECT_EQ(reply.uid(), geteuid());
  EXPECT_EQ(reply.gid(), getegid());
  EXPECT_EQ(reply.pid(), getpid());
  EXPECT_EQ(context.peer().uid, geteuid());
  EXPECT_EQ(context.peer().gid, getegid());
  EXPECT_EQ(context.peer().pid, server().pid());
  EXPECT_EQ(context.peer().ToString(),
            absl::StrCat("uid ", geteuid(), ", gid ", getegid(), ", pid ", server().pid()));
}

class OtherUserTest : public IdentityTest {};
SIDECALL_OVER_TRANSPORTS_WHERE(OtherUserTest, [](const Setup& setup) {
  return InTwoProcesses(setup) && ReachesOtherUsers(setup);
});

class SameUserOnlyTest : public IdentityTest {};
SIDECALL_OVER_TRANSPORTS_WHERE(SameUserOnlyTest, [](const Setup& setup) {
  return SharesAServerInAnotherProcess(setup) && !ReachesOtherUsers(setup);
});

// However open the directory and the files are: over what carries no identity, both are of one user.
TEST_P(SameUserOnlyTest, AnotherUserIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  auto client = Child::Start({"identity", "54321", address()});
  ASSERT_NE(client, nullptr);
  EXPECT_EQ(client->Ask("call").substr(0, 17), "PERMISSION_DENIED");
  ASSERT_EQ(chmod(directory().path().c_str(), 0777), 0);
  for (const auto& file : std::filesystem::directory_iterator(directory().path())) {
    EXPECT_EQ(chmod(file.path().c_str(), 0666), 0);
  }
  EXPECT_EQ(client->Ask("call").substr(0, 17), "PERMISSION_DENIED");
  ASSERT_EQ(chmod(directory().path().c_str(), 0700), 0);
}

TEST_P(OtherUserTest, AnotherUser) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  constexpr char kUser[] = "54321";
  const std::string path = directory().path() + "/server";
  const bool has_path = access(path.c_str(), F_OK) == 0;
  auto client = Child::Start({"identity", kUser, address()});
  ASSERT_NE(client, nullptr);
  if (has_path) {
    EXPECT_EQ(client->Ask("call").substr(0, 17), "PERMISSION_DENIED") << "the directory is 0700";
    ASSERT_EQ(chmod(directory().path().c_str(), 0711), 0);
    ASSERT_EQ(chmod(path.c_str(), 0755), 0);
    EXPECT_EQ(client->Ask("call").substr(0, 17), "PERMISSION_DENIED") << "the socket is not writable";
    ASSERT_EQ(chmod(path.c_str(), 0777), 0);
  }
  EXPECT_EQ(client->Ask("call"),
            absl::StrCat("uid ", kUser, " gid ", kUser, " pid ", client->pid(), " server uid 0"));
}

}  // namespace
}  // namespace conformance
