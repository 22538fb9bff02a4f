#include "transports/shm/shm_connection.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sidecall {
namespace {

// The core splits larger messages: the peer copies the first piece out while the next is being serialized.
constexpr size_t kMaxFrame = (16u << 10) - kRecordHeaderBytes;

constexpr uint32_t kBellReady = 1u << 0;
constexpr uint32_t kLifeLineReady = 1u << 1;

void Ring(int bell) {
  const uint64_t one = 1;
  // EAGAIN: the counter is at its maximum, and so the bell is ringing.
  (void)!write(bell, &one, sizeof one);
}

int InDirection(ShmConnection::Side side) {
  return side == ShmConnection::Side::kServer ? 0 : 1;
}

}  // namespace

ShmConnection::ShmConnection(Side side, UniqueFd life_line, Segment segment, PeerIdentity peer)
    : life_line_(std::move(life_line)),
      segment_(std::move(segment)),
      own_bell_(segment_.bell(InDirection(side))),
      peer_bell_(segment_.bell(1 - InDirection(side))),
      peer_(std::move(peer)),
      producer_(segment_.Producer(1 - InDirection(side))),
      consumer_(segment_.Consumer(InDirection(side))) {}

ConnectionLimits ShmConnection::limits() const {
  return {.max_frame = kMaxFrame, .inline_slot = kMaxFrame};
}

Slot ShmConnection::Reserve(size_t size, Lane /*lane*/) {
  char* body = producer_.Reserve(size);
  if (body == nullptr && producer_.violated()) producer_violated_.store(true, std::memory_order_release);
  return {.body = body, .size = size, .owner = nullptr};
}

bool ShmConnection::Flush() {
  if (producer_.MustRing()) Ring(peer_bell_);
  return true;
}

size_t ShmConnection::Poll(FrameSink& sink) {
  if (reported_closed_) return 0;
  const size_t fed = consumer_.Feed(sink);
  if (consumer_.PublishTail()) Ring(peer_bell_);
  if (fed > 0) return fed;
  if (closed_.load(std::memory_order_relaxed)) {
    ReportClosed(sink, absl::OkStatus());
  } else if (consumer_.violated() || producer_violated_.load(std::memory_order_relaxed)) {
    Close();
    ReportClosed(
        sink, absl::DataLossError(absl::StrCat("the peer (", peer_.ToString(),
                                               ") wrote into shared memory what no frame or position can be; "
                                               "the connection is closed")));
  } else if (hung_up_) {
    ReportClosed(sink, absl::UnavailableError(absl::StrCat("the peer (", peer_.ToString(), ") hung up")));
  }
  return 0;
}

bool ShmConnection::Arm() {
  if (reported_closed_ || hung_up_ || closed_.load(std::memory_order_acquire)) return false;
  if (!consumer_.Arm()) return false;
  if (consumer_.PublishTail()) Ring(peer_bell_);
  return true;
}

void ShmConnection::Disarm(uint32_t ready) {
  consumer_.Disarm();
  if ((ready & kBellReady) != 0) {
    uint64_t rings = 0;
    (void)!read(own_bell_, &rings, sizeof rings);
  }
  if ((ready & kLifeLineReady) != 0) hung_up_ = hung_up_ || LifeLineHungUp();
}

bool ShmConnection::LifeLineHungUp() const {
  char byte = 0;
  const ssize_t received = recv(life_line_.get(), &byte, 1, MSG_DONTWAIT);
  // Nothing is ever sent over it: a byte is a broken promise, and ends the connection as well.
  return received >= 0 || (errno != EAGAIN && errno != EINTR);
}

WaitDescriptors ShmConnection::wait_descriptors() const {
  WaitDescriptors wait;
  wait.items[0] = {.fd = own_bell_, .events = POLLIN, .revents = 0};
  wait.items[1] = {.fd = life_line_.get(), .events = POLLIN, .revents = 0};
  wait.count = 2;
  return wait;
}

void ShmConnection::ReportClosed(FrameSink& sink, const absl::Status& why) {
  if (std::exchange(reported_closed_, true)) return;
  sink.OnClosed(why);
}

void ShmConnection::Close() {
  if (closed_.exchange(true, std::memory_order_acq_rel)) return;
  shutdown(life_line_.get(), SHUT_RDWR);
  Ring(own_bell_);
}

}  // namespace sidecall
