// Lengths and counts that cannot be: refused before any memory is set aside for them.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "call_raw_peer.h"
#include "fault_fixture.h"
#include "frame_peer.h"
#include "process_figures.h"
#include "raw_meeting.h"
#include "transport/clock.h"
#include "transport/unix_socket.h"
#include "transports/shm/segment.h"

namespace fault {
namespace {

using conformance::RawPeer;

constexpr uint32_t kMax32 = std::numeric_limits<uint32_t>::max();
constexpr uint64_t kMax64 = std::numeric_limits<uint64_t>::max();

template <typename Number>
std::string Raw(Number number) {
  return {reinterpret_cast<const char*>(&number), sizeof number};
}

// What the server holds at the most, now and ever, has not grown by as much as any of the claims below.
class NothingSetAside {
 public:
  explicit NothingSetAside(pid_t pid)
      : pid_(pid), held_(MemoryOf(pid, "RssAnon")), peak_(MemoryOf(pid, "VmPeak")) {}
  ~NothingSetAside() {
    // Sanitizers map and touch shadow memory as they go.
    if (kSanitized) return;
    EXPECT_LT(MemoryOf(pid_, "RssAnon"), held_ + (24u << 20));
    // Threads and the allocator's arenas reserve address space by the way: 72 MiB a thread.
    EXPECT_LT(MemoryOf(pid_, "VmPeak"), peak_ + (kHandlerThreads * (72u << 20)) / 2);
  }
  NothingSetAside(const NothingSetAside&) = delete;
  NothingSetAside& operator=(const NothingSetAside&) = delete;

 private:
  const pid_t pid_;
  const uint64_t held_;
  const uint64_t peak_;
};

Frame HelloOf() {
  return FrameOf(FrameType::kHello, 0, 0, sidecall::EncodeHello(Greeting()));
}

// A frame whose header says `length`, with nothing behind it.
void SendLength(const std::string& scheme, const std::string& socket, uint32_t length) {
  FrameHeader header;
  header.type = FrameType::kStart;
  header.length = length;
  if (scheme == "mqueue") {
    RawQueues queues(*sidecall::Address::Parse(conformance::AddressAt(scheme, socket)));
    ASSERT_TRUE(queues.made() && queues.SendRequest() && queues.AwaitWelcome());
    EXPECT_TRUE(queues.SendMessage(HelloOf().Bytes()));
    EXPECT_TRUE(queues.SendMessage(Raw(header)));
    EXPECT_TRUE(queues.HangsUp()) << length;
    return;
  }
  if (scheme != "shm") {
    RawPeer peer = MeetRaw(*sidecall::Address::Parse(scheme + ":" + socket));
    ASSERT_TRUE(peer.SayHello());
    peer.SendBytes(Raw(header));
    EXPECT_TRUE(peer.HangsUp()) << length;
    return;
  }
  const auto where = sidecall::UnixSocketAddress::FromPath(socket);
  const int64_t deadline = sidecall::MonotonicNanos() + 30'000'000'000;
  auto life_line = sidecall::ConnectUnixSocket(*where, deadline);
  ASSERT_TRUE(life_line.ok());
  auto segment = sidecall::Segment::ReceiveFrom(life_line->get(), deadline);
  ASSERT_TRUE(segment.ok());
  sidecall::RingProducer producer = segment->Producer(sidecall::Segment::kToServer);
  Frame hello = HelloOf();
  hello.header.length = static_cast<uint32_t>(hello.body.size());
  std::memcpy(producer.Reserve(hello.body.size()), hello.body.data(), hello.body.size());
  producer.Commit(hello.header);
  ASSERT_NE(producer.Reserve(0), nullptr);
  producer.Commit(header);
  const uint64_t one = 1;
  (void)!write(segment->bell(sidecall::Segment::kToServer), &one, sizeof one);
  pollfd item{.fd = life_line->get(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(poll(&item, 1, 30'000), 1) << length;
  char byte = 0;
  EXPECT_EQ(recv(life_line->get(), &byte, 1, 0), 0) << length;
}

TEST_P(FaultTest, Row13_LengthsOfFrames) {
  SIDECALL_FAULT_NEEDS(MayLeaveTheProcess(GetParam()), "its frames carry no length of their own");
  Begin();
  const NothingSetAside nothing(server_pid());
  // Longer than what the transport carries: shm's limit is the ring, of which a record is a part.
  const bool shm = GetParam().scheme == "shm";
  const uint32_t most = shm ? 2u << 20 : (1u << 20) + (64u << 10);
  for (const uint32_t length : {0u, most + 1, 1u << 31, kMax32}) {
    SendLength(GetParam().scheme, socket(), length);
    EXPECT_TRUE(GoodCall());
  }
}

// What a split frame says of its whole: a number of 32 bits.
TEST_P(FaultTest, Row13_LengthsOfSplitFrames) {
  Begin();
  const NothingSetAside nothing(server_pid());
  constexpr uint32_t kMost = (4u << 20) + (256u << 10);
  constexpr uint8_t kStart = FrameFlags::kMore | FrameFlags::kMethodName;
  for (const uint32_t whole : {kMost + 1, 1u << 31, kMax32}) {
    FramePeer peer(address());
    ASSERT_TRUE(peer.SayHello());
    peer.Send(FrameOf(FrameType::kStart, kStart, 1 << 16, Raw(whole) + "begin"));
    const auto end = peer.Next(FrameType::kEnd);
    ASSERT_TRUE(end.has_value()) << whole;
    EXPECT_EQ(end->header.code, static_cast<uint32_t>(absl::StatusCode::kResourceExhausted)) << whole;
    EXPECT_TRUE(peer.Serves(1 << 16 | 1)) << "the connection lives";
  }
  // The largest there is may come, and never does.
  FramePeer peer(address());
  ASSERT_TRUE(peer.SayHello());
  EXPECT_TRUE(peer.Send(FrameOf(FrameType::kStart, kStart, 1 << 16, Raw(kMost))));
  EXPECT_TRUE(peer.Serves(1 << 16 | 1));
  for (const uint32_t whole : {0u, 1u}) {
    EXPECT_TRUE(HangsUpOn(address(), {FrameOf(FrameType::kStart, kStart, 1 << 16, Raw(whole) + "begin")}))
        << whole;
  }
}

// Numbers of 64 bits: messages that a client takes, its clock, window, deadlines.
TEST_P(FaultTest, Row13_NumbersOf64Bits) {
  Begin();
  const NothingSetAside nothing(server_pid());
  for (const uint64_t number : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 31, uint64_t{1} << 63, kMax64}) {
    sidecall::Hello hello = Greeting();
    hello.max_message = number;
    hello.clock_id = 1;
    hello.clock_now = static_cast<int64_t>(number);
    FramePeer peer(address());
    ASSERT_TRUE(peer.SayHello(hello));
    Frame start = StartFrame(1 << 16, "conformance.TestService/Empty", "");
    start.header.argument = number;  // The deadline.
    peer.Send(start);
    EXPECT_TRUE(peer.Next(FrameType::kEnd).has_value()) << number;
    peer.Send(FrameOf(FrameType::kPing, 0, 0, "", number));
    const auto pong = peer.Next(FrameType::kPong);
    ASSERT_TRUE(pong.has_value()) << number;
    EXPECT_EQ(pong->header.argument, number);
  }
  for (const uint64_t window : {uint64_t{1} << 31, uint64_t{1} << 63, kMax64}) {
    FramePeer peer(address());
    ASSERT_TRUE(peer.SayHello());
    peer.Send(StreamStart(1 << 16));
    // Known to be open, before the window overtakes what opens it.
    peer.Send(MessageFrame(1 << 16, kNumber7));
    ASSERT_TRUE(peer.Next(FrameType::kMessage).has_value());
    peer.Send(FrameOf(FrameType::kWindow, 0, 1 << 16, "", window));
    EXPECT_TRUE(peer.HangsUp()) << window;
  }
}

// Sizes within a body, where one more than the largest number is none, and negative ones are large.
TEST_P(FaultTest, Row14_CountsThatOverflow) {
  Begin();
  const NothingSetAside nothing(server_pid());
  std::string method;
  sidecall::AppendMethodName(method, kEcho);
  constexpr uint8_t kNamed = FrameFlags::kMethodName;
  constexpr uint8_t kWithMetadata = FrameFlags::kMethodName | FrameFlags::kMetadata;
  const auto closes = [&](uint8_t flags, const std::string& body, const std::string& what) {
    EXPECT_TRUE(HangsUpOn(address(), {FrameOf(FrameType::kStart, flags, 1 << 16, body)})) << what;
  };
  closes(kNamed, Raw(uint16_t{0xffff}) + "short", "a method's name");
  for (const uint32_t size : {kMax32, kMax32 - 3, kMax32 - 5, 1u << 31, 1u}) {
    closes(kWithMetadata, method + Raw(size), "metadata of " + std::to_string(size));
    // An entry's key and value: 6 + key + value is more than 32 bits hold.
    const std::string entry = Raw(uint16_t{0xffff}) + Raw(size) + "key and value";
    closes(kWithMetadata, method + Raw(static_cast<uint32_t>(entry.size())) + entry,
           "an entry of " + std::to_string(size));
  }
  for (const uint32_t size : {kMax32, kMax32 - 3, 1u << 31, 5u}) {
    constexpr uint8_t kBurst = FrameFlags::kMessage | FrameFlags::kSeveral;
    EXPECT_TRUE(HangsUpOn(
        address(), {StreamStart(1 << 16), FrameOf(FrameType::kMessage, kBurst, 1 << 16, Raw(size) + "four")}))
        << "one of several messages, of " << size;
  }
  // The largest stream there is: its index is refused, and none is made for it.
  FramePeer peer(address());
  ASSERT_TRUE(peer.SayHello());
  peer.Send(StartFrame(kMax32, kEcho, kNumber7));
  const auto refused = peer.Next(FrameType::kEnd);
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->header.code, static_cast<uint32_t>(absl::StatusCode::kResourceExhausted));
  EXPECT_TRUE(peer.Serves(1 << 16));
}

TEST_P(FaultTest, Row15_MessagesOfZeroBytes) {
  Begin();
  const TestService::Stub stub = NewStub();
  for (int call = 0; call < 3; call++) {
    PatientContext context;
    EmptyMessage reply;
    EXPECT_TRUE(stub.Empty(&context, EmptyMessage(), &reply).ok());
  }
  PatientContext context;
  const auto stream = stub.BidirectionalStream(&context);
  EchoMessage message;
  for (int i = 0; i < 100; i++) {
    ASSERT_TRUE(stream->Write(message, sidecall::WriteOptions().set_buffer_hint()));
  }
  EXPECT_TRUE(stream->WritesDone());
  int count = 0;
  while (stream->Read(&message)) count++;
  EXPECT_EQ(count, 100);
  EXPECT_TRUE(stream->Finish().ok());
  // A frame without a body: of a method without a name, and as the end of a stream's messages.
  FramePeer peer(address());
  ASSERT_TRUE(peer.SayHello());
  EXPECT_TRUE(peer.Serves(1 << 16));  // The server knows method 0 by its number now.
  peer.Send(FrameOf(FrameType::kStart, FrameFlags::kMessage | FrameFlags::kHalfClose, 2 << 16));
  const auto end = peer.Next(FrameType::kEnd);
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->header.code, 0u);
  EXPECT_EQ(end->body, "");
  EXPECT_TRUE(peer.Serves(3 << 16));
}

}  // namespace
}  // namespace fault
