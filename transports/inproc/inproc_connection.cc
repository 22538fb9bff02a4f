#include "transports/inproc/inproc_connection.h"

#include <algorithm>
#include <iterator>

namespace sidecall {
namespace {

constexpr size_t kMaxFrame = (1u << 20) + (64u << 10);
constexpr size_t kMaxQueuedBytes = 4u << 20;
constexpr size_t kSmallestFrame = 256;
// Memory kept for later frames: as many as a burst of calls takes, and no very large ones.
constexpr size_t kSpareFrames = 64;

PeerIdentity OwnIdentity() {
  std::vector<gid_t> groups(static_cast<size_t>(std::max(getgroups(0, nullptr), 0)));
  const int count = getgroups(static_cast<int>(groups.size()), groups.data());
  groups.resize(static_cast<size_t>(std::max(count, 0)));  // Another thread may have changed them.
  return {.uid = geteuid(), .gid = getegid(), .groups = GroupList(std::move(groups)), .pid = getpid()};
}

}  // namespace

bool InprocQueue::Push(std::vector<InprocFrame>& frames) {
  std::lock_guard lock(mutex_);
  for (const InprocFrame& frame : frames) queued_bytes_ += frame.header.length;
  if (frames_.empty()) {
    frames_.swap(frames);
  } else {
    std::move(frames.begin(), frames.end(), std::back_inserter(frames_));
    frames.clear();
  }
  queued_.store(frames_.size(), std::memory_order_seq_cst);
  return armed_.exchange(false, std::memory_order_seq_cst);
}

bool InprocQueue::Pull(std::vector<InprocFrame>& frames, std::vector<InprocFrame>& done) {
  std::lock_guard lock(mutex_);
  frames.clear();
  frames.swap(frames_);
  queued_.store(0, std::memory_order_relaxed);
  queued_bytes_ = 0;
  for (InprocFrame& frame : done) {
    if (spare_.size() < kSpareFrames) spare_.push_back(std::move(frame));
  }
  done.clear();
  return std::exchange(room_wanted_, false);
}

InprocFrame InprocQueue::TakeMemory(size_t size) {
  {
    std::lock_guard lock(mutex_);
    if (!spare_.empty() && spare_.back().capacity >= size) {
      InprocFrame frame = std::move(spare_.back());
      spare_.pop_back();
      return frame;
    }
  }
  const size_t capacity = std::max(size, kSmallestFrame);
  return {.header = {},
          .bytes = std::make_unique_for_overwrite<char[]>(capacity + kReadableBehind),
          .capacity = capacity};
}

bool InprocQueue::HasRoom() {
  std::lock_guard lock(mutex_);
  if (queued_bytes_ < kMaxQueuedBytes) return true;
  room_wanted_ = true;
  return false;
}

bool InprocQueue::Arm() {
  armed_.store(true, std::memory_order_seq_cst);
  if (queued_.load(std::memory_order_seq_cst) == 0 && !closed()) return true;
  Disarm();
  return false;
}

void InprocQueue::Close() {
  if (!closed_.exchange(true, std::memory_order_seq_cst)) Ring();
}

void InprocQueue::Ring() {
  const uint64_t one = 1;
  (void)!write(bell_.get(), &one, sizeof one);
}

InprocConnection::InprocConnection(std::shared_ptr<InprocQueue> in, std::shared_ptr<InprocQueue> out)
    : in_(std::move(in)), out_(std::move(out)), peer_(OwnIdentity()) {}

InprocConnection::~InprocConnection() {
  Close();
}

ConnectionLimits InprocConnection::limits() const {
  return {.max_frame = kMaxFrame, .inline_slot = 0};
}

Slot InprocConnection::Reserve(size_t size, Lane /*lane*/) {
  if (!out_->HasRoom()) return {};
  auto* frame = new InprocFrame(out_->TakeMemory(size));
  return {.body = frame->bytes.get(), .size = size, .owner = frame};
}

void InprocConnection::Commit(const Slot& slot, const FrameHeader& header) {
  std::unique_ptr<InprocFrame> frame(static_cast<InprocFrame*>(slot.owner));
  frame->header = header;
  outgoing_.push_back(std::move(*frame));
}

void InprocConnection::Abandon(const Slot& slot) {
  delete static_cast<InprocFrame*>(slot.owner);
}

bool InprocConnection::Flush() {
  if (!outgoing_.empty() && out_->Push(outgoing_)) out_->Ring();
  return true;
}

size_t InprocConnection::Poll(FrameSink& sink) {
  if (reported_closed_) return 0;
  if (next_ == incoming_.size() && in_->MayHaveFrames()) {
    done_.swap(incoming_);
    next_ = 0;
    // The producer that waits for room sleeps on its own bell.
    if (in_->Pull(incoming_, done_)) out_->Ring();
  }
  size_t fed = 0;
  bool more = true;
  while (more && next_ < incoming_.size()) {
    const InprocFrame& frame = incoming_[next_++];
    fed++;
    more = sink.OnFrame(frame.header,
                        {.bytes = frame.bytes.get(), .size = frame.header.length, .shared = false});
  }
  if (fed == 0 && in_->closed() && !in_->MayHaveFrames()) {
    reported_closed_ = true;
    sink.OnClosed(closed_here_.load(std::memory_order_acquire)
                      ? absl::OkStatus()
                      : absl::UnavailableError("the peer (in this process) hung up"));
  }
  return fed;
}

bool InprocConnection::Arm() {
  return next_ == incoming_.size() && !reported_closed_ && in_->Arm();
}

void InprocConnection::Disarm(const ReadyDescriptors& /*told*/) {
  in_->Disarm();  // The bell is never read: it is watched edge-triggered, and every ring is an edge.
}

WaitDescriptors InprocConnection::wait_descriptors() const {
  WaitDescriptors wait;
  wait.items[0] = {.fd = in_->bell(), .events = POLLIN, .revents = 0};
  wait.count = 1;
  return wait;
}

void InprocConnection::Close() {
  closed_here_.store(true, std::memory_order_release);
  in_->Close();
  out_->Close();
}

}  // namespace sidecall
