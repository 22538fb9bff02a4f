// The rules of runtime/transport/transport.h that take two processes to break.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/conformance/transport_child.h"
#include "tests/conformance/transport_fixture.h"

namespace sidecall {
namespace {

class TransportAcrossProcesses : public TransportTest {
 protected:
  // A connection that the child made to us.
  void AcceptChild() {
    listener_ = Listen();
    ASSERT_NE(listener_, nullptr);
    child_ = std::make_unique<ChildProcess>("connect", address_.text);
    auto connection = AwaitConnection(*listener_);
    ASSERT_NE(connection, nullptr) << "the child did not connect";
    end_ = std::make_unique<End>(std::move(connection));
    ASSERT_TRUE(child_->AwaitReady());
  }
  // A connection that we made to the child.
  void ConnectToChild() {
    child_ = std::make_unique<ChildProcess>("serve", address_.text);
    ASSERT_TRUE(child_->AwaitReady()) << "the child does not listen";
    auto connection = transport().Connect(address_, TestDeadline(), -1);
    ASSERT_TRUE(connection.ok()) << connection.status();
    end_ = std::make_unique<End>(*std::move(connection));
  }
  void Meet(bool child_serves) { child_serves ? ConnectToChild() : AcceptChild(); }
  void EchoOnce(uint64_t number, size_t size) {
    end_->frames.clear();
    ASSERT_TRUE(end_->Send(NumberedHeader(1, Lane::kData, number), BodyOf(number, size)));
    ASSERT_TRUE(end_->AwaitFrames(1)) << "no echo of frame " << number << ": " << end_->why;
    ASSERT_EQ(end_->frames[0].header.argument, number);
    ASSERT_EQ(end_->frames[0].body, BodyOf(number, size));
  }

  std::unique_ptr<ChildProcess> child_;
  std::unique_ptr<End> end_;
};

// Rule 5.
TEST_P(TransportAcrossProcesses, ArmedSleeperIsWoken) {
  for (const bool child_serves : {false, true}) {
    ASSERT_NO_FATAL_FAILURE(Meet(child_serves));
    const size_t max_frame = end_->connection().limits().max_frame;
    for (uint64_t i = 0; i < 500; i++) {
      ASSERT_NO_FATAL_FAILURE(EchoOnce(i, i % 100 == 99 ? max_frame : i % 5 * 33));
    }
    end_->connection().Close();
    EXPECT_EQ(child_->AwaitExit(), 0);
    listener_.reset();
  }
}

// Rules 1 to 3 and 5: more than fits is under way at once, both ways.
TEST_P(TransportAcrossProcesses, FramesArriveInOrder) {
  ASSERT_NO_FATAL_FAILURE(AcceptChild());
  constexpr uint64_t kFrames = 5000;
  for (uint64_t i = 0; i < kFrames; i++) {
    ASSERT_TRUE(end_->Send(NumberedHeader(1, Lane::kData, i), BodyOf(i, i % 7 * 1000)));
  }
  ASSERT_TRUE(end_->AwaitFrames(kFrames))
      << end_->frames.size() << " of " << kFrames << " came: " << end_->why;
  for (uint64_t i = 0; i < kFrames; i++) {
    ASSERT_EQ(end_->frames[i].header.argument, i);
    ASSERT_EQ(end_->frames[i].body, BodyOf(i, i % 7 * 1000));
  }
}

// Rule 7.
TEST_P(TransportAcrossProcesses, ClosedOnceAndLast) {
  for (const bool child_serves : {false, true}) {
    ASSERT_NO_FATAL_FAILURE(Meet(child_serves));
    ASSERT_NO_FATAL_FAILURE(EchoOnce(1, 10));
    end_->connection().Close();
    ASSERT_TRUE(end_->AwaitClosed());
    EXPECT_TRUE(end_->why.ok()) << end_->why;
    EXPECT_EQ(child_->AwaitExit(), 0) << "the child was told UNAVAILABLE, once, and last";
    EXPECT_EQ(end_->Poll(), 0u);
    EXPECT_EQ(end_->closed, 1);
    EXPECT_EQ(end_->after_closed, 0);
    listener_.reset();
  }
}

// Rule 8.
TEST_P(TransportAcrossProcesses, PeerDeathIsNoticed) {
  for (const bool child_serves : {false, true}) {
    ASSERT_NO_FATAL_FAILURE(Meet(child_serves));
    ASSERT_NO_FATAL_FAILURE(EchoOnce(1, 10));
    child_->Kill();
    ASSERT_TRUE(end_->AwaitClosed());
    EXPECT_TRUE(absl::IsUnavailable(end_->why)) << end_->why;
    for (int i = 0; i < 10; i++) EXPECT_EQ(end_->Poll(), 0u);
    EXPECT_EQ(end_->closed, 1);
    EXPECT_EQ(end_->after_closed, 0);
    listener_.reset();
  }
}

// Rule 8: while frames are under way both ways.
TEST_P(TransportAcrossProcesses, PeerDeathIsNoticedUnderLoad) {
  ASSERT_NO_FATAL_FAILURE(AcceptChild());
  for (uint64_t i = 0; i < 200; i++) {
    ASSERT_TRUE(end_->Send(NumberedHeader(1, Lane::kData, i), BodyOf(i, 3000)));
  }
  child_->Kill();
  ASSERT_TRUE(end_->AwaitClosed());
  EXPECT_TRUE(absl::IsUnavailable(end_->why)) << end_->why;
  for (size_t i = 0; i < end_->frames.size(); i++) ASSERT_EQ(end_->frames[i].body, BodyOf(i, 3000));
}

// Rule 8: a child of the peer has its descriptors, and lives on.
TEST_P(TransportAcrossProcesses, PeerDeathIsNoticedWhoeverHasItsDescriptors) {
  for (const bool child_serves : {false, true}) {
    ASSERT_NO_FATAL_FAILURE(Meet(child_serves));
    ASSERT_NO_FATAL_FAILURE(EchoOnce(1, 10));
    const ChildsHeir heir(*end_);
    ASSERT_TRUE(heir.lives());
    child_->Kill();
    ASSERT_TRUE(end_->AwaitClosed());
    EXPECT_TRUE(absl::IsUnavailable(end_->why)) << end_->why;
    EXPECT_TRUE(heir.lives());
    if (!child_serves) {
      listener_.reset();
      continue;
    }
    EXPECT_TRUE(absl::IsUnavailable(transport().Connect(address_, TestDeadline(), -1).status()));
    if (transport().scheme() == "unix-abstract") continue;  // The kernel keeps the name for the child.
    auto taken = transport().Listen(address_);
    EXPECT_TRUE(taken.ok()) << taken.status();
  }
}

// Rule 9.
TEST_P(TransportAcrossProcesses, PeerIsTheKernelsWord) {
  for (const bool child_serves : {false, true}) {
    ASSERT_NO_FATAL_FAILURE(Meet(child_serves));
    const PeerIdentity& peer = end_->connection().peer();
    EXPECT_EQ(peer.pid, child_->pid()) << peer.ToString();
    if (geteuid() != 65534) {
      EXPECT_EQ(peer.uid, geteuid());
      EXPECT_EQ(peer.gid, getegid());
    }
    end_.reset();
    child_.reset();
    listener_.reset();
  }
}

// Rule 10: what a killed server leaves is taken over; a live one's address is not.
TEST_P(TransportAcrossProcesses, LiveAddressIsNotStolen) {
  child_ = std::make_unique<ChildProcess>("serve", address_.text);
  ASSERT_TRUE(child_->AwaitReady());
  EXPECT_TRUE(absl::IsAlreadyExists(transport().Listen(address_).status()));
  child_->Kill();
  auto taken = transport().Listen(address_);
  ASSERT_TRUE(taken.ok()) << taken.status();
  listener_ = *std::move(taken);
  ASSERT_NO_FATAL_FAILURE(Connect());
}

INSTANTIATE_TEST_SUITE_P(All, TransportAcrossProcesses, testing::ValuesIn(TransportsAcrossProcesses()),
                         NameOfTransport);

}  // namespace
}  // namespace sidecall
