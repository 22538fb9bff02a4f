#include "transports/mqueue/mqueue_connection.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "transport/errno_status.h"

namespace sidecall {
namespace {

constexpr size_t kHeaderBytes = sizeof(FrameHeader);
// Output of one lane that waits for a slow peer, beyond which Reserve has no room for that lane. Counted in
// whole messages.
constexpr size_t kMaxQueuedBytes = 4u << 20;
constexpr size_t kMaxSpare = 16;
// Messages that one Poll takes.
constexpr size_t kMaxReceived = 16;

// Disarm's bit of end_, which is items[3] of wait_descriptors.
constexpr uint32_t kPeerGone = 1u << 3;

// POSIX promises 32 of them; the higher goes first.
unsigned PriorityOf(Lane lane) {
  constexpr std::array<unsigned, kLanes> kPriorities = {0, 16, 8};  // data, control, urgent
  return kPriorities[static_cast<size_t>(lane)];
}

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> MqueueConnection::Make(MqueueEnds ends) {
  UniqueFd bell(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!bell.valid()) return ErrnoStatus(errno, "eventfd");
  UniqueFd end(epoll_create1(EPOLL_CLOEXEC));
  if (!end.valid()) return ErrnoStatus(errno, "epoll_create1");
  for (const int fd : {ends.life_line.get(), ends.peer_process.get()}) {
    // Nobody writes to the life line: it becomes ready when its other end is closed.
    epoll_event event{};
    event.events = EPOLLIN;
    if (fd >= 0 && epoll_ctl(end.get(), EPOLL_CTL_ADD, fd, &event) != 0)
      return ErrnoStatus(errno, "epoll_ctl");
  }
  return std::unique_ptr<Connection>(new MqueueConnection(std::move(ends), std::move(bell), std::move(end)));
}

MqueueConnection::MqueueConnection(MqueueEnds ends, UniqueFd bell, UniqueFd end)
    : ends_(std::move(ends)), bell_(std::move(bell)), end_(std::move(end)) {}

ConnectionLimits MqueueConnection::limits() const {
  const size_t most = ends_.out.message_bytes() - kHeaderBytes;
  return {.max_frame = most, .inline_slot = most};
}

MqueueConnection::Message MqueueConnection::TakeMessage() {
  if (spare_.empty()) {
    return {.bytes = std::make_unique_for_overwrite<char[]>(ends_.out.message_bytes()), .used = 0};
  }
  Message message = std::move(spare_.back());
  spare_.pop_back();
  message.used = 0;
  return message;
}

Slot MqueueConnection::Reserve(size_t size, Lane lane) {
  std::deque<Message>& output = output_[static_cast<size_t>(lane)];
  const size_t message_bytes = ends_.out.message_bytes();
  if (output.size() * message_bytes > kMaxQueuedBytes) {
    room_.Refuse();
    return {};
  }
  if (output.empty() || message_bytes - output.back().used < kHeaderBytes + size) {
    output.push_back(TakeMessage());
  }
  Message& message = output.back();
  return {.body = message.bytes.get() + message.used + kHeaderBytes, .size = size, .owner = &message};
}

void MqueueConnection::Commit(const Slot& slot, const FrameHeader& header) {
  std::memcpy(slot.body - kHeaderBytes, &header, kHeaderBytes);
  static_cast<Message*>(slot.owner)->used += kHeaderBytes + header.length;
}

void MqueueConnection::Abandon(const Slot& /*slot*/) {}

// False where messages are left.
bool MqueueConnection::SendAll(Lane lane) {
  std::deque<Message>& output = output_[static_cast<size_t>(lane)];
  for (; !output.empty(); output.pop_front()) {
    Message& message = output.front();
    if (message.used > 0 && send_error_.load(std::memory_order_relaxed) == 0 &&
        !closed_.load(std::memory_order_acquire) &&
        ends_.out.Send(message.bytes.get(), message.used, PriorityOf(lane)) != 0) {
      if (errno == EAGAIN) return false;
      send_error_.store(errno, std::memory_order_release);
      Close();
    }
    if (spare_.size() < kMaxSpare) spare_.push_back(std::move(message));
  }
  return true;
}

bool MqueueConnection::Flush() {
  if (!SendAll(Lane::kControl) || !SendAll(Lane::kUrgent) || !SendAll(Lane::kData)) {
    room_.Await();
    return false;
  }
  room_.AllSent();
  return true;
}

// Feeds the frames of what was received. Sets `stop` where the sink asked for it, or a frame is none.
size_t MqueueConnection::FeedFrames(FrameSink& sink, bool& stop) {
  size_t fed = 0;
  while (!stop && next_ < received_) {
    const Message& message = input_[next_];
    if (begin_ == message.used) {
      next_++;
      begin_ = 0;
      continue;
    }
    FrameHeader header;
    const size_t left = message.used - begin_;
    if (left >= kHeaderBytes) std::memcpy(&header, message.bytes.get() + begin_, kHeaderBytes);
    if (left < kHeaderBytes || header.length > left - kHeaderBytes) {
      next_ = received_;
      Close();
      ReportClosed(sink, absl::DataLossError(
                             absl::StrCat("the peer (", ends_.peer.ToString(),
                                          ") sent a message that is not made of whole frames; the connection "
                                          "is closed")));
      stop = true;
      break;
    }
    const FrameBody body{
        .bytes = message.bytes.get() + begin_ + kHeaderBytes, .size = header.length, .shared = false};
    begin_ += kHeaderBytes + header.length;
    fed++;
    stop = !sink.OnFrame(header, body);
  }
  return fed;
}

// Messages as long as there may be more: behind one that is not half full, the sender has caught its breath.
// False where there was none, with errno.
bool MqueueConnection::Receive() {
  received_ = next_ = begin_ = 0;
  const size_t most = ends_.in.message_bytes();
  ssize_t size = 0;
  do {
    if (input_.size() == received_) {
      input_.push_back({.bytes = std::make_unique_for_overwrite<char[]>(most + kReadableBehind), .used = 0});
    }
    size = ends_.in.Receive(input_[received_].bytes.get(), most);
    if (size >= 0) input_[received_++].used = static_cast<size_t>(size);
  } while (size > static_cast<ssize_t>(most / 2) && received_ < kMaxReceived);
  return received_ > 0;
}

// Nothing was received: this side has closed, or errno says why.
void MqueueConnection::EndWhereGone(FrameSink& sink) {
  const int error = errno;
  absl::Status why;
  if (const int failed = send_error_.load(std::memory_order_acquire); failed != 0) {
    why = ErrnoStatus(failed, "mq_send");
  } else if (closed_.load(std::memory_order_acquire)) {
    why = absl::OkStatus();
  } else if (error != EAGAIN) {
    why = ErrnoStatus(error, "mq_receive");
  } else if (peer_gone_) {
    why = absl::UnavailableError(absl::StrCat("the peer (", ends_.peer.ToString(), ") hung up"));
  } else {
    return;
  }
  Close();
  ReportClosed(sink, why);
}

size_t MqueueConnection::Poll(FrameSink& sink) {
  if (reported_closed_) return 0;
  bool stop = false;
  size_t fed = FeedFrames(sink, stop);
  if (stop || fed > 0) return fed;
  maybe_readable_ = !closed_.load(std::memory_order_acquire) && Receive();
  if (maybe_readable_) return FeedFrames(sink, stop);
  EndWhereGone(sink);
  return 0;
}

bool MqueueConnection::Arm() {
  if (reported_closed_ || maybe_readable_ || next_ != received_) return false;
  if (room_.TakeMade()) return false;
  if (ends_.signal == nullptr) return true;
  ends_.signal->Request(ends_.in.descriptor());
  maybe_readable_ = !ends_.in.empty();
  return !maybe_readable_;
}

void MqueueConnection::Disarm(const ReadyDescriptors& told) {
  if (told.ready != 0) maybe_readable_ = true;
  if ((told.ready & kPeerGone) != 0) peer_gone_ = true;
}

WaitDescriptors MqueueConnection::wait_descriptors() const {
  const short room = room_.awaited() ? POLLOUT : 0;
  WaitDescriptors wait;
  const int messages = ends_.signal != nullptr ? ends_.signal->descriptor() : ends_.in.descriptor();
  wait.items[0] = {.fd = messages, .events = POLLIN, .revents = 0};
  wait.items[1] = {.fd = ends_.out.descriptor(), .events = room, .revents = 0};
  wait.items[2] = {.fd = bell_.get(), .events = POLLIN, .revents = 0};
  wait.items[3] = {.fd = end_.get(), .events = POLLIN, .revents = 0};
  wait.count = 4;
  wait.deaths = 1;
  return wait;
}

void MqueueConnection::ReportClosed(FrameSink& sink, const absl::Status& why) {
  if (std::exchange(reported_closed_, true)) return;
  sink.OnClosed(why);
}

void MqueueConnection::Close() {
  if (closed_.exchange(true, std::memory_order_acq_rel)) return;
  // The peer learns of it by the life line, whose number must not become another file's while another thread
  // may use it (as PipeStream::HangUp).
  syscall(SYS_dup3, bell_.get(), ends_.life_line.get(), O_CLOEXEC);
  eventfd_write(bell_.get(), 1);
}

}  // namespace sidecall
