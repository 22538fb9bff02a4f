// How the shared memory of a connection is offered, and what a client refuses to map.
#include "transports/shm/segment.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/test_ring.h"
#include "transport/clock.h"

namespace sidecall {
namespace {

constexpr uint64_t kRing = kMinRingBytes;
constexpr uint64_t kTotal = 2 * (4096 + kRing);
constexpr uint64_t kMagic = 0x314d48534c4c4143;
constexpr unsigned kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW;

int64_t Soon() {
  return MonotonicNanos() + 10'000'000'000;
}

size_t OpenDescriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

class SegmentTest : public testing::Test {
 protected:
  SegmentTest() {
    std::array<int, 2> sockets{};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets.data()), 0);
    server_ = UniqueFd(sockets[0]);
    client_ = UniqueFd(sockets[1]);
  }

  static UniqueFd Memory(uint64_t size, unsigned seals) {
    UniqueFd fd(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    EXPECT_EQ(ftruncate(fd.get(), static_cast<off_t>(size)), 0);
    if (seals != 0) {
      EXPECT_EQ(fcntl(fd.get(), F_ADD_SEALS, seals), 0);
    }
    return fd;
  }
  static UniqueFd Bell() { return UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

  // Sends what a hostile server might.
  void Offer(const std::string& bytes, const std::vector<int>& fds) {
    std::vector<char> control(CMSG_SPACE(sizeof(int) * fds.size()));
    iovec piece{.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      cmsghdr* part = CMSG_FIRSTHDR(&message);
      part->cmsg_level = SOL_SOCKET;
      part->cmsg_type = SCM_RIGHTS;
      part->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
      std::memcpy(CMSG_DATA(part), fds.data(), sizeof(int) * fds.size());
    }
    ASSERT_EQ(sendmsg(server_.get(), &message, MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  static std::string OfferBytes(uint64_t magic, uint64_t ring_bytes) {
    const std::array<uint64_t, 4> words = {magic, ring_bytes, 1, 2};
    return {reinterpret_cast<const char*>(words.data()), sizeof words};
  }
  // The offer is refused, and nothing of it stays open.
  void ExpectRefused(const std::string& bytes, const std::vector<int>& fds, const std::string& why) {
    const size_t before = OpenDescriptors();
    Offer(bytes, fds);
    auto segment = Segment::ReceiveFrom(client_.get(), Soon());
    EXPECT_TRUE(absl::IsDataLoss(segment.status())) << segment.status();
    EXPECT_THAT(std::string(segment.status().message()), testing::HasSubstr(why));
    EXPECT_EQ(OpenDescriptors(), before);
  }

  UniqueFd server_;
  UniqueFd client_;
};

TEST_F(SegmentTest, BothSidesMeet) {
  const size_t before = OpenDescriptors();
  {
    auto made = Segment::Create(kRing);
    ASSERT_TRUE(made.ok()) << made.status();
    ASSERT_TRUE(made->SendTo(server_.get()).ok());
    auto received = Segment::ReceiveFrom(client_.get(), Soon());
    ASSERT_TRUE(received.ok()) << received.status();
    EXPECT_EQ(OpenDescriptors(), before + 4)
        << "two bells, or one and a watch, on each side; the memory on none";
    for (const int direction : {0, 1}) {
      RingProducer producer = (direction == 0 ? *received : *made).Producer(direction);
      RingConsumer consumer = (direction == 0 ? *made : *received).Consumer(direction);
      char* body = producer.Reserve(5);
      ASSERT_NE(body, nullptr);
      std::memcpy(body, "hello", 5);
      producer.Commit({.length = 5, .type = FrameType::kMessage});
      KeepingSink sink;
      ASSERT_EQ(consumer.Feed(sink), 1u);
      EXPECT_EQ(sink.bodies[0], "hello");
      const uint64_t one = 1;
      EXPECT_EQ(write((direction == 0 ? *received : *made).bell(direction), &one, sizeof one), 8);
      pollfd watch{
          .fd = (direction == 0 ? *made : *received).watch(direction), .events = POLLIN, .revents = 0};
      EXPECT_EQ(poll(&watch, 1, 0), 1) << "the ring is seen";
    }
    // What a client could fill and make blocking, the server would wait on for ever.
    const uint64_t full = UINT64_MAX - 1;
    EXPECT_EQ(write(received->watch(Segment::kToClient), &full, sizeof full), -1);
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_F(SegmentTest, OfferMadeByHandIsTaken) {
  UniqueFd memory = Memory(kTotal, kSeals);
  UniqueFd bell = Bell();
  UniqueFd watch(epoll_create1(EPOLL_CLOEXEC));
  Offer(OfferBytes(kMagic, kRing), {memory.get(), bell.get(), watch.get()});
  auto segment = Segment::ReceiveFrom(client_.get(), Soon());
  EXPECT_TRUE(segment.ok()) << segment.status();
}

TEST_F(SegmentTest, EachMissingSealIsRefused) {
  UniqueFd bells[2] = {Bell(), Bell()};
  for (const unsigned seals : {0u, unsigned{F_SEAL_SHRINK}, kSeals & ~unsigned{F_SEAL_SEAL},
                               kSeals & ~unsigned{F_SEAL_SHRINK}, kSeals & ~unsigned{F_SEAL_GROW}}) {
    UniqueFd memory = Memory(kTotal, seals);
    ExpectRefused(OfferBytes(kMagic, kRing), {memory.get(), bells[0].get(), bells[1].get()}, "not sealed");
  }
}

TEST_F(SegmentTest, MemoryOfAnotherSizeIsRefused) {
  UniqueFd bells[2] = {Bell(), Bell()};
  for (const uint64_t size : {uint64_t{0}, kTotal - 1, kTotal - 4096, kTotal + 1, 2 * kTotal}) {
    UniqueFd memory = Memory(size, kSeals);
    ExpectRefused(OfferBytes(kMagic, kRing), {memory.get(), bells[0].get(), bells[1].get()}, "memory of");
  }
}

TEST_F(SegmentTest, RingsOfAnImpossibleSizeAreRefused) {
  UniqueFd memory = Memory(kTotal, kSeals);
  UniqueFd bells[2] = {Bell(), Bell()};
  for (const uint64_t size : {uint64_t{0}, kMinRingBytes / 2, kMinRingBytes + 64, 2 * kMaxRingBytes,
                              uint64_t{1} << 63, UINT64_MAX}) {
    ExpectRefused(OfferBytes(kMagic, size), {memory.get(), bells[0].get(), bells[1].get()}, "rings of");
  }
}

TEST_F(SegmentTest, DescriptorsOfAnotherKindAreRefused) {
  UniqueFd memory = Memory(kTotal, kSeals);
  UniqueFd bell = Bell();
  UniqueFd plain(open("/dev/null", O_RDWR | O_CLOEXEC));
  ExpectRefused(OfferBytes(kMagic, kRing), {plain.get(), bell.get(), bell.get()}, "not sealed");
  ExpectRefused(OfferBytes(kMagic, kRing), {memory.get(), plain.get(), bell.get()}, "no eventfd");
  ExpectRefused(OfferBytes(kMagic, kRing), {memory.get(), bell.get(), server_.get()}, "no epoll");
  ExpectRefused(OfferBytes(kMagic, kRing), {memory.get(), bell.get(), bell.get()}, "no epoll");
}

TEST_F(SegmentTest, AnyOtherNumberOfDescriptorsIsRefused) {
  UniqueFd memory = Memory(kTotal, kSeals);
  UniqueFd bell = Bell();
  std::vector<int> fds;
  for (size_t count = 0; count <= 16; count++) {
    if (count != 3) ExpectRefused(OfferBytes(kMagic, kRing), fds, "descriptors instead of 3");
    fds.push_back(count == 0 ? memory.get() : bell.get());
  }
}

TEST_F(SegmentTest, FloodOfDescriptorsIsClosed) {
  UniqueFd bell = Bell();
  const size_t before = OpenDescriptors();
  Offer(OfferBytes(kMagic, kRing), std::vector<int>(253, bell.get()));
  EXPECT_FALSE(Segment::ReceiveFrom(client_.get(), Soon()).ok());
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_F(SegmentTest, OtherBytesAreRefused) {
  UniqueFd memory = Memory(kTotal, kSeals);
  UniqueFd bells[2] = {Bell(), Bell()};
  const std::vector<int> fds = {memory.get(), bells[0].get(), bells[1].get()};
  ExpectRefused(OfferBytes(kMagic + 1, kRing), fds, "other than shared memory");
  const std::string whole = OfferBytes(kMagic, kRing);
  for (size_t size = 1; size < whole.size(); size += 5) {
    ExpectRefused(whole.substr(0, size), fds, "other than shared memory");
  }
}

TEST_F(SegmentTest, ServerThatHangsUpIsUnavailable) {
  server_ = UniqueFd();
  EXPECT_TRUE(absl::IsUnavailable(Segment::ReceiveFrom(client_.get(), Soon()).status()));
}

TEST_F(SegmentTest, SilentServerRunsIntoTheDeadline) {
  auto segment = Segment::ReceiveFrom(client_.get(), MonotonicNanos() + 20'000'000);
  EXPECT_TRUE(absl::IsDeadlineExceeded(segment.status())) << segment.status();
}

TEST_F(SegmentTest, SilentServerIsNotWaitedForWhenNobodyWaits) {
  const UniqueFd cancelled = Bell();
  const uint64_t one = 1;
  ASSERT_EQ(write(cancelled.get(), &one, sizeof one), 8);
  EXPECT_TRUE(absl::IsCancelled(Segment::ReceiveFrom(client_.get(), Soon(), cancelled.get()).status()));
  // What is there already needs no wait.
  auto made = Segment::Create(kRing);
  ASSERT_TRUE(made.ok() && made->SendTo(server_.get()).ok());
  EXPECT_TRUE(Segment::ReceiveFrom(client_.get(), Soon(), cancelled.get()).ok());
}

}  // namespace
}  // namespace sidecall
