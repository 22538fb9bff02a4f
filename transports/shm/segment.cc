#include "transports/shm/segment.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "transport/clock.h"
#include "transport/errno_status.h"

namespace sidecall {
namespace {

constexpr uint64_t kControlBytes = 4096;         // per direction
constexpr int kDescriptors = 3;                  // the memory, the server's bell, a watch of the client's
constexpr uint64_t kMagic = 0x314d48534c4c4143;  // "CALLSHM1"
constexpr unsigned kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW;

// docs/protocol.md, "Shared memory": the one message that the server sends over the socket.
struct Offer {
  uint64_t magic = kMagic;
  uint64_t ring_bytes = 0;
  uint64_t keys[2] = {};
};

uint64_t TotalBytes(uint64_t ring_bytes) {
  return 2 * (kControlBytes + ring_bytes);
}

bool IsAnonymous(int fd, std::string_view kind) {
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  std::array<char, 64> target{};
  const ssize_t length = readlink(link.c_str(), target.data(), target.size());
  return length > 0 && std::string_view(target.data(), static_cast<size_t>(length)) == kind;
}

absl::Status Refuse(std::string_view why) {
  return absl::DataLossError(absl::StrCat("shm: the server offered ", std::string(why),
                                          "; nothing of it was mapped. Does a Sidecall server of this "
                                          "version listen there, and with this scheme?"));
}

absl::Status AwaitOffer(int socket, int64_t deadline_nanos, int cancel_descriptor) {
  for (;;) {
    const int64_t left = deadline_nanos - MonotonicNanos();
    if (left <= 0)
      return absl::DeadlineExceededError("shm: the server accepted, but offered no memory in time");
    // poll() passes -1 over.
    std::array<pollfd, 2> items = {pollfd{.fd = socket, .events = POLLIN, .revents = 0},
                                   pollfd{.fd = cancel_descriptor, .events = POLLIN, .revents = 0}};
    const int ready =
        poll(items.data(), items.size(), static_cast<int>(std::min<int64_t>(left / 1'000'000 + 1, 60'000)));
    if (ready < 0 && errno != EINTR) return ErrnoStatus(errno, "poll");
    if (ready <= 0) continue;
    if (items[0].revents != 0) return absl::OkStatus();
    return absl::CancelledError("shm: nobody waits for the server's offer of memory any more");
  }
}

// Receives `offer` with exactly the descriptors that belong to it; all are closed on any surprise.
absl::Status ReceiveOffer(int socket, Offer& offer, std::array<UniqueFd, kDescriptors>& fds) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * 16)> control{};
  iovec piece{.iov_base = &offer, .iov_len = sizeof offer};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (received < 0 && errno != ECONNRESET) return ErrnoStatus(errno, "shm: recvmsg");
  size_t count = 0;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    for (size_t i = 0; CMSG_LEN(sizeof(int) * (i + 1)) <= part->cmsg_len; i++) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
      UniqueFd owned(fd);
      if (count < fds.size()) fds[count] = std::move(owned);
      count++;
    }
  }
  if (received <= 0) return absl::UnavailableError("shm: the server hung up before it offered memory");
  if ((message.msg_flags & MSG_CTRUNC) != 0) {
    return absl::ResourceExhaustedError(
        "shm: no free descriptors for the server's memory and bells. Raise ulimit -n");
  }
  if (received != sizeof offer || offer.magic != kMagic) return Refuse("something other than shared memory");
  if (count != fds.size()) return Refuse(absl::StrCat(count, " descriptors instead of 3"));
  return absl::OkStatus();
}

absl::Status CheckOffer(const Offer& offer, const std::array<UniqueFd, kDescriptors>& fds) {
  if (offer.ring_bytes < kMinRingBytes || offer.ring_bytes > kMaxRingBytes ||
      !std::has_single_bit(offer.ring_bytes)) {
    return Refuse(absl::StrCat("rings of ", offer.ring_bytes, " bytes"));
  }
  const int seals = fcntl(fds[0].get(), F_GET_SEALS);
  if (seals < 0 || (static_cast<unsigned>(seals) & kSeals) != kSeals)
    return Refuse("memory that is not sealed");
  struct stat info {};
  if (fstat(fds[0].get(), &info) != 0 ||
      static_cast<uint64_t>(info.st_size) != TotalBytes(offer.ring_bytes)) {
    return Refuse(absl::StrCat("memory of ", info.st_size, " bytes for rings of ", offer.ring_bytes));
  }
  if (!IsAnonymous(fds[1].get(), "anon_inode:[eventfd]")) return Refuse("a bell that is no eventfd");
  if (!IsAnonymous(fds[2].get(), "anon_inode:[eventpoll]"))
    return Refuse("a watch of the bell that is no epoll");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Segment> Segment::Create(uint64_t ring_bytes) {
  Segment segment;
  segment.ring_bytes_ = ring_bytes;
  segment.memory_ = UniqueFd(memfd_create("sidecall", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!segment.memory_.valid()) return ErrnoStatus(errno, "shm: memfd_create");
  const auto bytes = static_cast<off_t>(TotalBytes(ring_bytes));
  // Reserved now: a page that cannot be had must be an error here, not a SIGBUS later.
  const int error =
      ftruncate(segment.memory_.get(), bytes) != 0 ? errno : posix_fallocate(segment.memory_.get(), 0, bytes);
  if (error != 0) return ErrnoStatus(error, absl::StrCat("shm: reserve ", bytes, " bytes"));
  if (fcntl(segment.memory_.get(), F_ADD_SEALS, kSeals) != 0) return ErrnoStatus(errno, "shm: seal");
  for (UniqueFd& bell : segment.bells_) {
    bell = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!bell.valid()) return ErrnoStatus(errno, "shm: eventfd");
  }
  segment.client_watch_ = UniqueFd(epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{};
  event.events = EPOLLIN;
  if (!segment.client_watch_.valid() ||
      epoll_ctl(segment.client_watch_.get(), EPOLL_CTL_ADD, segment.bells_[kToClient].get(), &event) != 0) {
    return ErrnoStatus(errno, "shm: epoll on the client's bell");
  }
  if (getrandom(segment.keys_, sizeof segment.keys_, 0) != static_cast<ssize_t>(sizeof segment.keys_)) {
    return ErrnoStatus(errno, "shm: getrandom");
  }
  absl::Status mapped = segment.Map();
  if (!mapped.ok()) return mapped;
  return segment;
}

absl::Status Segment::SendTo(int socket) {
  Offer offer;
  offer.ring_bytes = ring_bytes_;
  std::copy(std::begin(keys_), std::end(keys_), offer.keys);
  const std::array<int, kDescriptors> fds = {memory_.get(), bells_[kToServer].get(), client_watch_.get()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof fds)> control{};
  iovec piece{.iov_base = &offer, .iov_len = sizeof offer};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* part = CMSG_FIRSTHDR(&message);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(sizeof fds);
  std::memcpy(CMSG_DATA(part), fds.data(), sizeof fds);
  if (sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) != static_cast<ssize_t>(sizeof offer)) {
    return ErrnoStatus(errno, "shm: send the memory to the client");
  }
  memory_ = UniqueFd();  // The mapping keeps the memory: an idle connection need not keep the descriptor.
  client_watch_ = UniqueFd();
  return absl::OkStatus();
}

absl::StatusOr<Segment> Segment::ReceiveFrom(int socket, int64_t deadline_nanos, int cancel_descriptor) {
  absl::Status readable = AwaitOffer(socket, deadline_nanos, cancel_descriptor);
  if (!readable.ok()) return readable;
  Offer offer;
  std::array<UniqueFd, kDescriptors> fds;
  absl::Status received = ReceiveOffer(socket, offer, fds);
  if (!received.ok()) return received;
  absl::Status checked = CheckOffer(offer, fds);
  if (!checked.ok()) return checked;
  Segment segment;
  segment.ring_bytes_ = offer.ring_bytes;
  std::copy(std::begin(offer.keys), std::end(offer.keys), segment.keys_);
  segment.memory_ = std::move(fds[0]);
  segment.bells_[kToServer] = std::move(fds[1]);
  segment.client_watch_ = std::move(fds[2]);
  absl::Status mapped = segment.Map();
  if (!mapped.ok()) return mapped;
  segment.memory_ = UniqueFd();
  return segment;
}

Segment::Segment(Segment&& other) noexcept
    : memory_(std::move(other.memory_)),
      bells_{std::move(other.bells_[0]), std::move(other.bells_[1])},
      client_watch_(std::move(other.client_watch_)),
      ring_bytes_(other.ring_bytes_),
      keys_{other.keys_[0], other.keys_[1]},
      base_(std::exchange(other.base_, nullptr)),
      owner_(other.owner_) {}

Segment::~Segment() {
  // In a child of fork() it is not mapped, and something else may be in its place.
  if (base_ != nullptr && getpid() == owner_) munmap(base_, TotalBytes(ring_bytes_));
}

absl::Status Segment::Map() {
  void* memory = mmap(nullptr, TotalBytes(ring_bytes_), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                      memory_.get(), 0);
  if (memory == MAP_FAILED) return ErrnoStatus(errno, "shm: mmap");
  base_ = static_cast<char*>(memory);
  owner_ = getpid();
  // A child of fork() must not write into the rings of its parent's calls.
  madvise(base_, TotalBytes(ring_bytes_), MADV_DONTFORK);
  return absl::OkStatus();
}

RingControl* Segment::Control(int direction) const {
  return reinterpret_cast<RingControl*>(base_ + direction * kControlBytes);
}

char* Segment::Data(int direction) const {
  return base_ + 2 * kControlBytes + direction * ring_bytes_;
}

RingProducer Segment::Producer(int direction) const {
  return {Control(direction), Data(direction), ring_bytes_, keys_[direction]};
}

RingConsumer Segment::Consumer(int direction) const {
  return {Control(direction), Data(direction), ring_bytes_, keys_[direction]};
}

}  // namespace sidecall
