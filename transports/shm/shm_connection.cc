#include "transports/shm/shm_connection.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "transport/cpu.h"

namespace sidecall {
namespace {

// The core splits larger messages: the peer copies the first piece out while the next is being serialized.
constexpr size_t kMaxFrame = (16u << 10) - kRecordHeaderBytes;

// Of what Disarm is told. The bell is never read: it is watched edge-triggered, and every ring is an edge.
constexpr uint32_t kLifeLineReady = 1u << 1;
constexpr uint32_t kPeerDied = 1u << 2;

void Ring(int bell) {
  const uint64_t one = 1;
  // EAGAIN: the peer, who has it too, filled it, and so does not want to be woken.
  (void)!write(bell, &one, sizeof one);
}

int InDirection(ShmConnection::Side side) {
  return side == ShmConnection::Side::kServer ? 0 : 1;
}

}  // namespace

ShmConnection::ShmConnection(Side side, UniqueFd life_line, Segment segment, PeerIdentity peer,
                             UniqueFd peer_process)
    : life_line_(std::move(life_line)),
      peer_process_(std::move(peer_process)),
      segment_(std::move(segment)),
      own_watch_(segment_.watch(InDirection(side))),
      peer_bell_(segment_.bell(1 - InDirection(side))),
      peer_(std::move(peer)),
      producer_(segment_.Producer(1 - InDirection(side))),
      consumer_(segment_.Consumer(InDirection(side))) {}

ConnectionLimits ShmConnection::limits() const {
  return {.max_frame = kMaxFrame, .inline_slot = kMaxFrame};
}

Slot ShmConnection::Reserve(size_t size, Lane /*lane*/) {
  char* body = producer_.Reserve(size);
  if (body == nullptr && producer_.violated()) Note(kViolated);
  return {.body = body, .size = size, .owner = nullptr};
}

bool ShmConnection::Flush() {
  if (producer_.MustRing()) Ring(peer_bell_);
  return true;
}

size_t ShmConnection::Poll(FrameSink& sink) {
  // Most looks find nothing, and a waiting thread looks again and again: two loads and a byte of our own.
  if (!consumer_.HasRecord() && !consumer_.RoomWanted() && trouble_.load(std::memory_order_relaxed) == 0) {
    return 0;
  }
  // What was received will be answered soon: the line that the answer begins in is on its way by then.
  if (PollsAndFetchesEagerly()) producer_.Prefetch();
  if (Has(kReported)) return 0;
  const size_t fed = consumer_.Feed(sink);
  if (consumer_.violated()) Note(kViolated);
  if (consumer_.PublishTail()) Ring(peer_bell_);
  if (fed == 0) EndWhereTroubled(sink);
  return fed;
}

void ShmConnection::EndWhereTroubled(FrameSink& sink) {
  if (Has(kClosed)) {
    ReportClosed(sink, absl::OkStatus());
  } else if (Has(kViolated)) {
    Close();
    ReportClosed(
        sink, absl::DataLossError(absl::StrCat("the peer (", peer_.ToString(),
                                               ") wrote into shared memory what no frame or position can be; "
                                               "the connection is closed")));
  } else if (Has(kHungUp)) {
    ReportClosed(sink, absl::UnavailableError(absl::StrCat("the peer (", peer_.ToString(), ") hung up")));
  }
}

bool ShmConnection::Arm() {
  if (trouble_.load(std::memory_order_acquire) != 0) return false;
  if (!consumer_.Arm()) return false;
  if (consumer_.PublishTail()) Ring(peer_bell_);
  return true;
}

void ShmConnection::Disarm(const ReadyDescriptors& told) {
  consumer_.Disarm();
  if ((told.ready & kPeerDied) != 0 || ((told.ready & kLifeLineReady) != 0 && LifeLineHungUp()))
    Note(kHungUp);
}

bool ShmConnection::LifeLineHungUp() const {
  char byte = 0;
  const ssize_t received = recv(life_line_.get(), &byte, 1, MSG_DONTWAIT);
  // Nothing is ever sent over it: a byte is a broken promise, and ends the connection as well.
  return received >= 0 || (errno != EAGAIN && errno != EINTR);
}

WaitDescriptors ShmConnection::wait_descriptors() const {
  WaitDescriptors wait;
  wait.items[0] = {.fd = own_watch_, .events = POLLIN, .revents = 0};
  wait.items[1] = {.fd = life_line_.get(), .events = POLLIN, .revents = 0};
  wait.items[2] = {.fd = peer_process_.get(), .events = POLLIN, .revents = 0};
  wait.deaths = peer_process_.valid() ? 1 : 0;
  wait.count = 2 + wait.deaths;
  return wait;
}

void ShmConnection::ReportClosed(FrameSink& sink, const absl::Status& why) {
  if (Note(kReported)) sink.OnClosed(why);
}

void ShmConnection::Close() {
  if (!Note(kClosed)) return;
  shutdown(life_line_.get(), SHUT_RDWR);  // Wakes this side's sleeper as well.
}

}  // namespace sidecall
