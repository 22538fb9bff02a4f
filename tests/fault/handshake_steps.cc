#include "handshake_steps.h"

#include <sys/socket.h>

#include <array>
#include <cstring>

#include "call_raw_peer.h"
#include "frame_peer.h"
#include "raw_meeting.h"
#include "transport/address.h"
#include "transport/clock.h"
#include "transport/unix_socket.h"
#include "transports/shm/segment.h"

namespace fault {
namespace {

using conformance::LineSocket;
using conformance::RawPeer;

bool Stay(LineSocket& test) {
  test.Send("there");
  test.Receive();
  return true;
}

Frame HelloFrame() {
  return FrameOf(FrameType::kHello, 0, 0, sidecall::EncodeHello(Greeting()));
}

bool TakeSocketStep(const sidecall::Address& address, const std::string& step, LineSocket& test) {
  const RawPeer peer(address.rest, address.scheme == "unix-abstract");
  if (!peer.connected()) return false;
  if (step == "half a hello" && !peer.SendBytes(HelloFrame().Bytes().substr(0, 30))) return false;
  return Stay(test);
}

// Takes the offer's descriptors, and maps nothing.
bool TakeOffer(int socket) {
  std::array<char, 256> bytes{};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * 16)> control{};
  iovec piece{.iov_base = bytes.data(), .iov_len = bytes.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  return recvmsg(socket, &message, 0) > 0;
}

bool TakeSharedMemoryStep(const sidecall::Address& address, const std::string& step, LineSocket& test) {
  const auto where = sidecall::UnixSocketAddress::FromPath(address.rest);
  if (!where.ok()) return false;
  const int64_t deadline = sidecall::MonotonicNanos() + 30'000'000'000;
  const auto socket = sidecall::ConnectUnixSocket(*where, deadline);
  if (!socket.ok()) return false;
  if (step == "connected") return Stay(test);
  if (step == "offer taken") {
    pollfd readable{.fd = socket->get(), .events = POLLIN, .revents = 0};
    return poll(&readable, 1, 30'000) == 1 && TakeOffer(socket->get()) && Stay(test);
  }
  const auto segment = sidecall::Segment::ReceiveFrom(socket->get(), deadline);
  if (!segment.ok()) return false;
  if (step == "mapped") return Stay(test);
  sidecall::RingProducer producer = segment->Producer(sidecall::Segment::kToServer);
  const Frame hello = HelloFrame();
  char* body = producer.Reserve(hello.body.size());
  if (body == nullptr) return false;
  std::memcpy(body, hello.body.data(), hello.body.size());
  if (step == "written, not committed") return Stay(test);
  sidecall::FrameHeader header = hello.header;
  header.length = static_cast<uint32_t>(hello.body.size());
  producer.Commit(header);
  return Stay(test);  // Committed, and no bell rung.
}

bool TakeFifoStep(const sidecall::Address& address, const std::string& step, LineSocket& test) {
  const RawFifos fifos(address);
  if (!fifos.made()) return false;
  if (step == "files made") return Stay(test);
  if (!fifos.SendRequest()) return false;
  if (step == "requested") return Stay(test);
  if (!fifos.AwaitWelcome()) return false;
  if (step == "half a hello" && !fifos.SendBytes(HelloFrame().Bytes().substr(0, 30))) return false;
  return Stay(test);
}

bool TakeQueueStep(const sidecall::Address& address, const std::string& step, LineSocket& test) {
  RawQueues queues(address);
  if (!queues.made()) return false;
  if (step == "files made") return Stay(test);
  if (!queues.SendRequest()) return false;
  if (step == "requested") return Stay(test);
  return queues.AwaitWelcome() && Stay(test);
}

}  // namespace

std::vector<std::string> HandshakeSteps(const std::string& scheme) {
  if (scheme == "shm") {
    return {"connected",           "offer taken", "mapped", "written, not committed",
            "committed, not rung", "hello",       "greeted"};
  }
  if (scheme == "pipe") return {"files made", "requested", "connected", "half a hello", "hello", "greeted"};
  if (scheme == "mqueue") return {"files made", "requested", "connected", "hello", "greeted"};
  return {"connected", "half a hello", "hello", "greeted"};
}

bool TakeHandshakeStep(const std::string& text, const std::string& step, LineSocket& test) {
  const auto address = sidecall::Address::Parse(text);
  if (!address.ok()) return false;
  if (step == "hello" || step == "greeted") {
    FramePeer peer(text);
    const bool there = step == "greeted" ? peer.SayHello() : peer.Send(HelloFrame());
    return there && Stay(test);
  }
  if (address->scheme == "shm") return TakeSharedMemoryStep(*address, step, test);
  if (address->scheme == "pipe") return TakeFifoStep(*address, step, test);
  if (address->scheme == "mqueue") return TakeQueueStep(*address, step, test);
  return TakeSocketStep(*address, step, test);
}

}  // namespace fault
