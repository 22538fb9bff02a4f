// The numbered contract of runtime/transport/transport.h, over every registered transport, both ends in one
// process. transport_process_test.cc has what needs two.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <future>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/conformance/transport_fixture.h"
#include "transport/event_loop.h"
#include "transport/unique_fd.h"

namespace sidecall {
namespace {

class TransportContract : public TransportTest {};

// Sends and receives `count` frames of mixed sizes on all lanes, polling while it waits for room. Checks
// what arrives.
void Exchange(End& end, uint64_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  const size_t max_frame = end.connection().limits().max_frame;
  const std::array<size_t, 6> sizes = {0, 1, 32, 33, 4000, std::min<size_t>(max_frame, 70'000)};
  for (uint64_t i = 0; i < count; i++) {
    constexpr std::array kMixed = {Lane::kData, Lane::kData, Lane::kUrgent, Lane::kControl};
    const Lane lane = kMixed[random() % kMixed.size()];
    const size_t size = lane == Lane::kControl ? 0
                        : i % 500 == 499       ? max_frame
                                               : sizes[random() % sizes.size()];
    ASSERT_TRUE(end.Send(NumberedHeader(static_cast<uint32_t>(i % 3), lane, i), BodyOf(i, size)));
  }
  ASSERT_TRUE(end.AwaitFrames(count)) << end.frames.size() << " of " << count << " came, " << end.why;
  ASSERT_TRUE(end.Await([&] { return end.Flush(); })) << "the peer takes no more";
  EXPECT_EQ(end.frames.size(), count);
  std::map<Lane, uint64_t> next;  // the least number that may come on the lane
  std::vector<bool> seen(count);
  for (const ReceivedFrame& frame : end.frames) {
    const uint64_t number = frame.header.argument;
    ASSERT_LT(number, count);
    ASSERT_FALSE(seen[number]) << "frame " << number << " came twice";
    seen[number] = true;
    ASSERT_GE(number, next[frame.header.lane]) << "out of order within its lane";
    next[frame.header.lane] = number + 1;
    const FrameHeader expected = NumberedHeader(static_cast<uint32_t>(number % 3), frame.header.lane, number);
    EXPECT_EQ(frame.header.type, expected.type);
    EXPECT_EQ(frame.header.flags, expected.flags);
    EXPECT_EQ(frame.header.fd_count, 0);
    EXPECT_EQ(frame.header.stream, expected.stream);
    EXPECT_EQ(frame.header.code, expected.code);
    EXPECT_EQ(frame.header.length, frame.body.size());
    ASSERT_EQ(frame.body, BodyOf(number, frame.body.size()));
  }
}

// Rules 1 and 2.
TEST_P(TransportContract, FramesArriveInOrder) {
  ASSERT_NO_FATAL_FAILURE(Connect());
  constexpr uint64_t kFrames = 3000;
  std::thread server([&] { Exchange(*server_, kFrames, 1); });
  Exchange(*client_, kFrames, 2);
  server.join();
  EXPECT_EQ(client_->closed + server_->closed, 0);
}

// Rule 2: what may overtake, does, where the kernel sorts.
TEST_P(TransportContract, LanesOvertake) {
  ASSERT_NO_FATAL_FAILURE(Connect());
  constexpr uint64_t kFrames = 300;
  constexpr size_t kSize = 4000;  // more than a mebibyte of data
  for (uint64_t i = 0; i < kFrames; i++) {
    ASSERT_TRUE(client_->Commit(NumberedHeader(1, Lane::kData, i), BodyOf(i, kSize)));
    client_->Flush();
  }
  for (uint64_t i = 0; i < 2; i++) {
    ASSERT_TRUE(client_->Commit(NumberedHeader(2, Lane::kUrgent, i), BodyOf(i, kSize)));
    client_->Flush();
  }
  for (uint64_t i = 0; i < 2; i++) {
    ASSERT_TRUE(client_->Commit(NumberedHeader(3, Lane::kControl, i), ""));
    client_->Flush();
  }
  std::thread reader([&] { EXPECT_TRUE(server_->AwaitFrames(kFrames + 4)); });
  EXPECT_TRUE(client_->Await([&] { return client_->Flush(); }));
  reader.join();
  ASSERT_EQ(server_->frames.size(), kFrames + 4);
  std::map<Lane, std::vector<size_t>> places;
  for (size_t i = 0; i < server_->frames.size(); i++) {
    std::vector<size_t>& of_lane = places[server_->frames[i].header.lane];
    EXPECT_EQ(server_->frames[i].header.argument, of_lane.size()) << "out of order within its lane";
    of_lane.push_back(i);
  }
  if (!FindTransportUnderTest(transport().scheme())->overtakes) return;
  // As many as the receiver took before there was room for them in the kernel's queue.
  EXPECT_LT(places[Lane::kControl].back(), kFrames / 4);
  EXPECT_LT(places[Lane::kUrgent].back(), kFrames / 2);
  EXPECT_LT(places[Lane::kControl].back(), places[Lane::kUrgent].back());
}

// Rule 1, for each size around those at which transports change their ways.
TEST_P(TransportContract, FrameOfAnySizeArrivesWhole) {
  ASSERT_NO_FATAL_FAILURE(Connect());
  const ConnectionLimits limits = client_->connection().limits();
  ASSERT_GE(limits.max_frame, 512u);
  std::vector<size_t> sizes = {0, 1, 31, 32, 33, 95, 96, 97, limits.max_frame - 1, limits.max_frame};
  for (size_t around : {limits.inline_slot, size_t{4096}, size_t{65536}}) {
    for (const size_t size : {around - 25, around - 24, around - 1, around, around + 1}) {
      if (size <= limits.max_frame) sizes.push_back(size);
    }
  }
  for (const size_t size : sizes) {
    ASSERT_TRUE(client_->Send(NumberedHeader(1, Lane::kData, size), BodyOf(size, size)));
    server_->frames.clear();
    std::thread reader([&] { EXPECT_TRUE(server_->AwaitFrames(1)) << size; });
    EXPECT_TRUE(client_->Await([&] { return client_->Flush(); }));  // It may be more than fits at once.
    reader.join();
    ASSERT_EQ(server_->frames.size(), 1u);
    ASSERT_EQ(server_->frames[0].body, BodyOf(size, size));
  }
}

// Rule 1: a frame may be shorter than the slot that was reserved for it.
TEST_P(TransportContract, FrameMayBeShorterThanItsSlot) {
  ASSERT_NO_FATAL_FAILURE(Connect());
  for (const size_t size : {size_t{100}, client_->connection().limits().max_frame}) {
    server_->frames.clear();
    Connection& connection = client_->connection();
    const Slot slot = connection.Reserve(size, Lane::kData);
    ASSERT_NE(slot.body, nullptr);
    std::memcpy(slot.body, "short", 5);
    FrameHeader header = NumberedHeader(1, Lane::kData, 1);
    header.length = 5;
    connection.Commit(slot, header);
    ASSERT_TRUE(client_->Send(NumberedHeader(1, Lane::kData, 2), "next"));
    ASSERT_TRUE(server_->AwaitFrames(2));
    EXPECT_EQ(server_->frames[0].body, "short");
    EXPECT_EQ(server_->frames[1].body, "next");
  }
}

// Rule 2: a large slot stays open while others come and go, and takes its place at Commit.
TEST_P(TransportContract, LargeSlotTakesItsPlaceAtCommit) {
  ASSERT_NO_FATAL_FAILURE(Connect());
  Connection& connection = client_->connection();
  const ConnectionLimits limits = connection.limits();
  if (limits.inline_slot == limits.max_frame) return;  // It has no large slots.
  const std::string body = BodyOf(7, limits.inline_slot + 1);
  const Slot open = connection.Reserve(body.size(), Lane::kData);
  ASSERT_NE(open.body, nullptr);
  ASSERT_TRUE(client_->Send(NumberedHeader(1, Lane::kData, 1), "while it is open"));
  std::memcpy(open.body, body.data(), body.size());
  FrameHeader header = NumberedHeader(2, Lane::kData, 2);
  header.length = static_cast<uint32_t>(body.size());
  connection.Commit(open, header);
  connection.Flush();
  ASSERT_TRUE(server_->AwaitFrames(2));
  EXPECT_EQ(server_->frames[0].body, "while it is open");
  EXPECT_EQ(server_->frames[1].body, body);
}

// Rule 3.
TEST_P(TransportContract, NoRoomIsAnAnswer) {
  ASSERT_NO_FATAL_FAILURE(Connect());
  const std::string body = BodyOf(1, 4000);
  constexpr uint64_t kFarTooMany = (uint64_t{256} << 20) / 4000;
  for (int round = 0; round < 3; round++) {
    server_->frames.clear();
    uint64_t sent = 0;
    while (sent < kFarTooMany && client_->Commit(NumberedHeader(1, Lane::kData, sent), body)) {
      client_->Flush();
      sent++;
    }
    ASSERT_LT(sent, kFarTooMany) << "it takes frames without end, though nobody reads";
    ASSERT_GT(sent, 0u);
    client_->Flush();
    // The peer reads; the sender, asleep meanwhile, is told.
    std::thread reader([&] { EXPECT_TRUE(server_->AwaitFrames(sent)); });
    const bool again = client_->Send(NumberedHeader(2, Lane::kData, sent), body);
    const bool left = client_->Await([&] { return client_->Flush(); });
    reader.join();
    ASSERT_TRUE(again) << "room was never told of";
    ASSERT_TRUE(left);
    ASSERT_TRUE(server_->AwaitFrames(sent + 1));
    for (uint64_t i = 0; i <= sent; i++) ASSERT_EQ(server_->frames[i].header.argument, i);
  }
}

// Rule 5, where the flush that makes the room leaves nothing that would wait for more.
TEST_P(TransportContract, RoomIsToldOfOnceAllIsFlushed) {
  ASSERT_NO_FATAL_FAILURE(Connect());
  const std::string body = BodyOf(1, 4000);
  constexpr uint64_t kFarTooMany = (uint64_t{256} << 20) / 4000;
  for (int round = 0; round < 3; round++) {
    uint64_t sent = 0;
    while (sent < kFarTooMany && client_->Commit(NumberedHeader(1, Lane::kData, sent), body)) {
      client_->Flush();
      sent++;
    }
    ASSERT_LT(sent, kFarTooMany);
    while (!client_->Flush()) {
      while (server_->Poll() > 0) continue;
      ASSERT_TRUE(client_->Sleep());
    }
    while (server_->Poll() > 0) continue;
    EXPECT_EQ(client_->Poll(), 0u);
    EXPECT_TRUE(client_->Sleep(MonotonicNanos() + 10'000'000'000)) << "room was never told of";
    ASSERT_TRUE(server_->AwaitFrames(sent));
    server_->frames.clear();
  }
}

// Rule 4.
TEST_P(TransportContract, AbandonLeavesNoTrace) {
  ASSERT_NO_FATAL_FAILURE(Connect());
  Connection& connection = client_->connection();
  const size_t max_frame = connection.limits().max_frame;
  constexpr uint64_t kFrames = 2000;
  std::thread reader([&] { EXPECT_TRUE(server_->AwaitFrames(kFrames)); });
  for (uint64_t i = 0; i < kFrames; i++) {
    for (const size_t size : {size_t{0}, size_t{100}, i % 50 == 0 ? max_frame : 5000}) {
      const Slot slot = connection.Reserve(size, i % 2 == 0 ? Lane::kData : Lane::kControl);
      if (slot.body == nullptr) continue;
      std::memset(slot.body, 0xee, size);
      connection.Abandon(slot);
    }
    if (!client_->Send(NumberedHeader(1, Lane::kData, i), BodyOf(i, 200))) break;
  }
  EXPECT_TRUE(client_->Await([&] { return client_->Flush(); }));
  reader.join();
  ASSERT_EQ(server_->frames.size(), kFrames);
  for (uint64_t i = 0; i < kFrames; i++) {
    ASSERT_EQ(server_->frames[i].header.argument, i);
    ASSERT_EQ(server_->frames[i].body, BodyOf(i, 200));
  }
}

// Echoes until the peer hangs up.
void Echo(End& end) {
  size_t echoed = 0;
  while (end.Await([&] { return end.frames.size() > echoed || end.closed > 0; }) && end.closed == 0) {
    for (; echoed < end.frames.size(); echoed++) {
      const ReceivedFrame frame = end.frames[echoed];  // Send may receive more.
      ASSERT_TRUE(end.Send(frame.header, frame.body));
    }
  }
}

// Rule 5: a frame wakes; death does.
TEST_P(TransportContract, ArmedSleeperIsWoken) {
  ASSERT_NO_FATAL_FAILURE(Connect());
  std::thread server([&] { Echo(*server_); });
  constexpr uint64_t kRounds = 2000;
  for (uint64_t i = 0; i < kRounds; i++) {
    ASSERT_TRUE(client_->Send(NumberedHeader(1, Lane::kData, i), "x"));
    ASSERT_TRUE(client_->AwaitFrames(i + 1)) << "nobody was woken in round " << i;
  }
  client_->connection().Close();
  server.join();
  EXPECT_EQ(server_->closed, 1);
}

// Rule 5, with descriptors that stay in an edge-triggered event loop, and are never asked for again.
TEST_P(TransportContract, ArmedSleeperIsWokenByEdges) {
  ASSERT_NO_FATAL_FAILURE(Connect());
  auto loop = MakeEpollEventLoop();
  ASSERT_TRUE(loop.ok()) << loop.status();
  Connection& connection = client_->connection();
  const WaitDescriptors wait = connection.wait_descriptors();
  for (size_t i = 0; i < wait.count; i++) {
    ASSERT_TRUE((*loop)->Add(wait.items[i].fd, wait.items[i].events, i + 1).ok());
  }
  std::thread server([&] { Echo(*server_); });
  const int64_t deadline = TestDeadline();
  for (uint64_t i = 0; i < 2000; i++) {
    ASSERT_TRUE(client_->Send(NumberedHeader(1, Lane::kData, i), "x"));
    while (client_->frames.size() <= i) {
      if (client_->Poll() > 0 || !connection.Arm()) continue;
      std::vector<EventLoop::Ready> ready;
      (*loop)->Wait(deadline, ready);
      ASSERT_LT(MonotonicNanos(), deadline) << "nobody was woken in round " << i;
      connection.Disarm(End::WhatTold(ready));
    }
  }
  connection.Close();
  server.join();
}

// Rule 5: a frame and the end behind it may come as one edge; who reads the frame only is not left asleep.
TEST_P(TransportContract, EndBehindAFrameIsNotMissed) {
  ASSERT_NO_FATAL_FAILURE(Connect());
  ASSERT_TRUE(client_->Send(NumberedHeader(1, Lane::kData, 0), "first"));
  ASSERT_TRUE(server_->AwaitFrames(1));
  while (server_->Sleep(MonotonicNanos() + 1'000'000)) server_->Poll();  // Quiet, and watched.
  ASSERT_TRUE(client_->Send(NumberedHeader(1, Lane::kData, 1), "last"));
  client_->connection().Close();
  ASSERT_TRUE(server_->Sleep());
  ASSERT_EQ(server_->Poll(), 1u);
  ASSERT_TRUE(server_->Sleep()) << "nobody told of the end";
  EXPECT_TRUE(server_->AwaitClosed());
  EXPECT_EQ(server_->frames.size(), 2u);
}

// Rule 5: the peer's end wakes, and so does this side's own Close from another thread.
TEST_P(TransportContract, ArmedSleeperIsWokenByTheEnd) {
  for (const bool by_peer : {true, false}) {
    ASSERT_NO_FATAL_FAILURE(Connect());
    std::thread closer([&] { (by_peer ? client_ : server_)->connection().Close(); });
    EXPECT_TRUE(server_->AwaitClosed()) << "by the peer: " << by_peer;
    closer.join();
  }
}

// Rule 6: either Arm() says so, or a descriptor does at once. What the sink left for the next Poll no
// descriptor tells.
TEST_P(TransportContract, ArmSeesWhatIsThere) {
  ASSERT_NO_FATAL_FAILURE(Connect());
  while (server_->Poll() > 0) {
  }
  for (int i = 0; i < 3; i++) ASSERT_TRUE(client_->Send(NumberedHeader(1, Lane::kData, 0), "x"));
  ASSERT_TRUE(server_->Sleep()) << "frames were there";
  server_->stop_after = 1;
  ASSERT_TRUE(server_->AwaitFrames(1));
  ASSERT_EQ(server_->frames.size(), 1u) << "the sink said stop";
  EXPECT_FALSE(server_->connection().Arm()) << "two frames are left";
  server_->stop_after = 100;
  ASSERT_TRUE(server_->AwaitFrames(3));
  client_->connection().Close();
  EXPECT_TRUE(server_->Sleep()) << "the peer has gone";
  EXPECT_TRUE(server_->AwaitClosed());
}

// Rule 7.
TEST_P(TransportContract, ClosedOnceAndLast) {
  for (const bool both : {false, true}) {
    ASSERT_NO_FATAL_FAILURE(Connect());
    for (uint64_t i = 0; i < 10; i++) ASSERT_TRUE(client_->Send(NumberedHeader(1, Lane::kData, i), "x"));
    client_->connection().Close();
    client_->connection().Close();
    if (!both) {
      ASSERT_TRUE(server_->AwaitClosed());
      EXPECT_EQ(server_->frames.size(), 10u) << "what was flushed still arrives";
      EXPECT_TRUE(absl::IsUnavailable(server_->why)) << server_->why;
    }
    server_->connection().Close();
    ASSERT_TRUE(server_->AwaitClosed());
    ASSERT_TRUE(client_->AwaitClosed());
    EXPECT_TRUE(client_->why.ok()) << client_->why;
    for (End* end : {client_.get(), server_.get()}) {
      for (int i = 0; i < 10; i++) EXPECT_EQ(end->Poll(), 0u);
      EXPECT_EQ(end->closed, 1);
      EXPECT_EQ(end->after_closed, 0);
    }
  }
}

// Rule 7: sending to nobody is harmless.
TEST_P(TransportContract, SendingAfterTheEndGoesNowhere) {
  for (const bool by_peer : {true, false}) {
    ASSERT_NO_FATAL_FAILURE(Connect());
    (by_peer ? server_ : client_)->connection().Close();
    ASSERT_TRUE(client_->AwaitClosed());
    // A transport may take it all, or have no room some day; it does not wait, nor touch what is gone.
    for (uint64_t i = 0; i < 3000; i++) {
      client_->Commit(NumberedHeader(1, Lane::kData, i), BodyOf(i, 4000));
      client_->Flush();
    }
    EXPECT_EQ(client_->Poll(), 0u);
    EXPECT_EQ(client_->closed, 1);
  }
}

// Rule 8, with both ends in one process: the peer's end is dropped without a Close.
TEST_P(TransportContract, PeerDeathIsNoticed) {
  ASSERT_NO_FATAL_FAILURE(Connect());
  ASSERT_TRUE(client_->Send(NumberedHeader(1, Lane::kData, 1), "last words"));
  client_->Drop();
  ASSERT_TRUE(server_->AwaitClosed());
  EXPECT_TRUE(absl::IsUnavailable(server_->why)) << server_->why;
  ASSERT_EQ(server_->frames.size(), 1u);
  EXPECT_EQ(server_->frames[0].body, "last words");
}

// Rule 8: also with frames unread, which is where some kernels report a reset.
TEST_P(TransportContract, PeerDeathIsNoticedWhileItHadMail) {
  ASSERT_NO_FATAL_FAILURE(Connect());
  ASSERT_TRUE(server_->Send(NumberedHeader(1, Lane::kData, 1), "never read"));
  client_->Drop();
  ASSERT_TRUE(server_->AwaitClosed());
  EXPECT_TRUE(absl::IsUnavailable(server_->why)) << server_->why;
}

// Rule 9, for one process.
TEST_P(TransportContract, PeerIsTheKernelsWord) {
  ASSERT_NO_FATAL_FAILURE(Connect());
  for (End* end : {client_.get(), server_.get()}) {
    const PeerIdentity& peer = end->connection().peer();
    EXPECT_EQ(peer.pid, getpid()) << peer.ToString();
    if (geteuid() != 65534) {
      EXPECT_EQ(peer.uid, geteuid());
      EXPECT_EQ(peer.gid, getegid());
    }
  }
}

// Rule 10, for one process.
TEST_P(TransportContract, LiveAddressIsNotStolen) {
  ASSERT_NO_FATAL_FAILURE(Connect());
  auto second = transport().Listen(address_);
  EXPECT_TRUE(absl::IsAlreadyExists(second.status())) << second.status();
  ASSERT_NO_FATAL_FAILURE(Connect());  // The first still serves.
  listener_.reset();
  auto gone = transport().Connect(address_, TestDeadline(), -1);
  EXPECT_TRUE(absl::IsUnavailable(gone.status())) << gone.status();
  ASSERT_NO_FATAL_FAILURE(Connect());  // Free again.
}

// Transport::Connect: nobody listens.
TEST_P(TransportContract, ConnectToNobodyIsUnavailable) {
  auto connected = transport().Connect(address_, TestDeadline(), -1);
  EXPECT_TRUE(absl::IsUnavailable(connected.status())) << connected.status();
}

// Transport: an option that it does not know is an error, never ignored.
TEST_P(TransportContract, UnknownOptionIsRefused) {
  auto address = Address::Parse(address_.text + "?no-such-option=1");
  ASSERT_TRUE(address.ok());
  EXPECT_TRUE(absl::IsInvalidArgument(transport().Listen(*address).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(transport().Connect(*address, TestDeadline(), -1).status()));
}

// Threads: one sender and one receiver may be inside at once.
TEST_P(TransportContract, SenderAndReceiverAtOnce) {
  ASSERT_NO_FATAL_FAILURE(Connect());
  constexpr uint64_t kFrames = 20'000;
  std::thread server([&] { Echo(*server_); });
  std::atomic<uint64_t> received{0};
  std::thread sender([&] {
    for (uint64_t i = 0; i < kFrames; i++) {
      // Few are under way, so that there is always room: waiting for it is the receiver's.
      for (uint64_t seen = received; i > seen + 200; seen = received) received.wait(seen);
      ASSERT_TRUE(client_->Commit(NumberedHeader(1, Lane::kData, i), "x"));
      client_->Flush();
    }
  });
  while (received < kFrames && client_->AwaitFrames(received + 1)) {
    received = client_->frames.size();
    received.notify_one();
  }
  EXPECT_EQ(received, kFrames);
  received = kFrames;
  received.notify_one();
  sender.join();
  client_->connection().Close();
  server.join();
}

// Listener: its end frees those who wait to be accepted.
TEST_P(TransportContract, ListenerThatGoesHangsUpOnThoseWhoWait) {
  ASSERT_NO_FATAL_FAILURE(Connect());
  auto connecting =
      std::async(std::launch::async, [this] { return transport().Connect(address_, TestDeadline(), -1); });
  pollfd item{.fd = listener_->descriptor(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(poll(&item, 1, 30'000), 1);
  listener_.reset();
  auto connected = connecting.get();
  if (!connected.ok()) {
    EXPECT_TRUE(absl::IsUnavailable(connected.status())) << connected.status();
    return;
  }
  End end(*std::move(connected));
  EXPECT_TRUE(end.AwaitClosed());
  EXPECT_TRUE(absl::IsUnavailable(end.why)) << end.why;
}

// 11
TEST_P(TransportContract, ConnectEndsWhenNobodyWaits) {
  listener_ = Listen();
  ASSERT_NE(listener_, nullptr);
  const UniqueFd cancelled(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  auto connecting = std::async(
      std::launch::async, [&] { return transport().Connect(address_, TestDeadline(), cancelled.get()); });
  pollfd item{.fd = listener_->descriptor(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(poll(&item, 1, 30'000), 1);
  uint64_t count = 1;
  ASSERT_EQ(write(cancelled.get(), &count, sizeof count), 8);
  // Nobody accepts it: it is connected already, or gives up.
  auto connected = connecting.get();
  EXPECT_TRUE(connected.ok() || absl::IsCancelled(connected.status())) << connected.status();
  EXPECT_EQ(read(cancelled.get(), &count, sizeof count), 8) << "nothing was read from it";
}

INSTANTIATE_TEST_SUITE_P(All, TransportContract, testing::ValuesIn(TransportsToTest()), NameOfTransport);

}  // namespace
}  // namespace sidecall
