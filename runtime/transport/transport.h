// The frame seam: a connection moves reliable, two-way frames between two processes, in order per stream and
// lane.
//
// Transports know nothing of calls, protobuf or metadata. The contract, each rule with the test that holds
// every registered transport to it (tests/conformance/transport_contract_test.cc):
//
//  1. A committed frame arrives once, whole, with its header as it was committed. [FramesArriveInOrder]
//  2. Frames arrive in commit order per lane. [FramesArriveInOrder]
//  3. "No room" is an answer, never a wait; room is an event later. [NoRoomIsAnAnswer]
//  4. An abandoned slot leaves no trace. [AbandonLeavesNoTrace]
//  5. After Arm() returned true, a frame, room that was asked for, or death makes a wait descriptor ready.
//                                                   [ArmedSleeperIsWoken, EndBehindAFrameIsNotMissed]
//  6. Arm() returns false where there is something to do already. [ArmSeesWhatIsThere]
//  7. OnClosed comes exactly once, and last, whoever closed. [ClosedOnceAndLast]
//  8. The peer's death is noticed without a message. [PeerDeathIsNoticed,
//  PeerDeathIsNoticedWhoeverHasItsDescriptors]
//  9. peer() is the kernel's word. [PeerIsTheKernelsWord]
// 10. A live listener is never displaced, a dead one's remains are taken over. [LiveAddressIsNotStolen]
// 11. Connect waits for nothing once nobody waits for it. [ConnectEndsWhenNobodyWaits]
// 12. Behind a private body lie kReadableBehind bytes more that may be read. [FrameOfAnySizeArrivesWhole]
//
// Threads: the sending calls (Reserve, Commit, Abandon, Flush) are made under the connection's write lock,
// which the caller holds; the receiving ones (Poll, Arm, Disarm, wait_descriptors) by the one thread that has
// its reader role. One sender and one receiver may be inside at once, so a transport needs no lock of its
// own. Close comes from any thread.
#ifndef SIDECALL_TRANSPORT_TRANSPORT_H_
#define SIDECALL_TRANSPORT_TRANSPORT_H_

#include <poll.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "sidecall/peer_identity.h"
#include "transport/address.h"
#include "transport/frame.h"

namespace sidecall {

// Memory into which one frame's body is written. The transport owns it, the sender fills it.
struct Slot {
  char* body = nullptr;   // null: no room now
  size_t size = 0;        // bytes of body
  void* owner = nullptr;  // the transport's own note
};

// Whoever parses a body may look ahead so far, at whatever is there.
inline constexpr size_t kReadableBehind = 16;

// A received body. Shared bytes may change while they are read: copy them once, and look at the copy only.
struct FrameBody {
  const char* bytes = nullptr;  // valid until OnFrame returns where shared, else until the next Poll
  size_t size = 0;
  bool shared = false;
};

// Where received frames go. Calls never overlap; no user code runs inside them.
class FrameSink {
 public:
  // False asks Poll to return after this frame.
  virtual bool OnFrame(const FrameHeader& header, const FrameBody& body) = 0;
  // The last call. OK where this side closed; UNAVAILABLE where the peer hung up or died; DATA_LOSS where it
  // sent what no frame can be; else what the kernel said.
  virtual void OnClosed(const absl::Status& why) = 0;

 protected:
  ~FrameSink() = default;
};

struct ConnectionLimits {
  size_t max_frame = 0;  // bytes of body that one slot holds; the core splits what is larger
  size_t inline_slot =
      0;  // a slot up to this size is committed or abandoned before the next Reserve; a larger one
          // may stay open while others come and go, and takes its place in order at Commit
};

// What to sleep on after Arm(): at most four descriptors, watched edge-triggered by an EventLoop: so that a
// bell need not be read after each ring.
struct WaitDescriptors {
  std::array<pollfd, 4> items{};
  size_t count = 0;
  size_t deaths = 0;  // of them, the last: ready only once the peer has died
  // Watched for POLLOUT as well, the first becomes ready each time that the peer has read a whole write, while
  // little is under way.
  bool tells_of_reads = false;
};

// What an EventLoop told of them: bit i is descriptor i's.
struct ReadyDescriptors {
  uint32_t ready = 0;
  uint32_t ended = 0;  // of those: with a hang-up, beside what else there may be
};

class Connection {
 public:
  virtual ~Connection() = default;

  // -- Sending ----------------------------------------------------------------------------------------------
  // A slot for `size` <= max_frame bytes of body; its memory stays the transport's. No room: body is null,
  // and a later Poll, or a wait descriptor, tells when to try again. After Close or death: a slot whose bytes
  // go nowhere.
  virtual Slot Reserve(size_t size, Lane lane) = 0;
  // Sends the slot with `header`, whose length is at most the slot's size. The slot is gone.
  virtual void Commit(const Slot& slot, const FrameHeader& header) = 0;
  // Gives the slot back unsent.
  virtual void Abandon(const Slot& slot) = 0;
  // Hands over what was committed and wakes a sleeping peer. Once per burst, and always before waiting. False
  // where bytes are left because the peer is slow: call it again when a wait descriptor is ready.
  virtual bool Flush() = 0;

  // -- Receiving --------------------------------------------------------------------------------------------
  // Feeds what has arrived to `sink`, never waits. Returns frames fed; after OnClosed it feeds nothing.
  virtual size_t Poll(FrameSink& sink) = 0;
  // Announces sleep. True: nothing is there, and whatever comes will make a wait descriptor ready.
  virtual bool Arm() = 0;
  // Ends what Arm announced. What was reported is to be looked after.
  virtual void Disarm(const ReadyDescriptors& told) = 0;
  // May change with each Flush that left bytes; the descriptors themselves stay those of the connection's
  // whole life.
  virtual WaitDescriptors wait_descriptors() const = 0;

  // -- Both -------------------------------------------------------------------------------------------------
  virtual const PeerIdentity& peer() const = 0;
  virtual ConnectionLimits limits() const = 0;
  // Hangs up. What was flushed still arrives. The next Poll gives OnClosed.
  virtual void Close() = 0;
};

// Where connections come from. Used by one thread at a time.
class Listener {
 public:
  // Removes the address, unless it is another's by now.
  virtual ~Listener() = default;
  // The next waiting connection; null where none waits. RESOURCE_EXHAUSTED: descriptors or memory ran out,
  // try later. Other errors concern one peer only.
  virtual absl::StatusOr<std::unique_ptr<Connection>> Accept() = 0;
  // Readable when Accept has something to return.
  virtual int descriptor() const = 0;
};

// One way to move frames. Immutable, for any thread.
class Transport {
 public:
  virtual ~Transport() = default;
  // "unix", as in "unix:/path".
  virtual std::string_view scheme() const = 0;
  // An address for a server that was given none: a file of `directory`, its name beginning with `name` and a
  // dot, or what else nobody has. Empty where other processes cannot connect.
  virtual std::string AddressIn(const std::string& directory, const std::string& name) const = 0;
  // Whether servers listen over it that were not told over what.
  virtual bool by_default() const = 0;
  // Whether an address is good for one connection, and never again: what has its name later is another's.
  virtual bool connects_once() const { return false; }
  // Blocks until connected, at most until `deadline_nanos` (CLOCK_MONOTONIC), or until `cancel_descriptor` is
  // readable (-1: there is none), from which nothing is read. Where there is nothing to wait for, it may
  // connect all the same. Errors: UNAVAILABLE (nobody listens), PERMISSION_DENIED, INVALID_ARGUMENT (the
  // address), DEADLINE_EXCEEDED, CANCELLED (by the descriptor), RESOURCE_EXHAUSTED.
  virtual absl::StatusOr<std::unique_ptr<Connection>> Connect(const Address& address, int64_t deadline_nanos,
                                                              int cancel_descriptor) const = 0;
  // Errors: ALREADY_EXISTS (a live server listens there), PERMISSION_DENIED, INVALID_ARGUMENT, NOT_FOUND
  // (directory).
  virtual absl::StatusOr<std::unique_ptr<Listener>> Listen(const Address& address) const = 0;
};

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORT_TRANSPORT_H_
