#include "core/serve_loop.h"

#include <algorithm>
#include <chrono>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "transport/clock.h"
#include "transport/logging.h"

namespace sidecall {
namespace {

// A connection that has not said hello by then is closed.
constexpr int64_t kHelloNanos = 10'000'000'000;
// Without free descriptors nothing can be accepted; another look after this.
constexpr int64_t kAcceptPauseNanos = 100'000'000;
// The first session's id. Listeners have the event-loop tokens from 1 up: far fewer than the sessions' begin
// at.
constexpr uint64_t kFirstSession = 1024;

class OfferAfterParse final : public FrameServerCall::BeforeHandler {
 public:
  explicit OfferAfterParse(RoleOffer& offer) : offer_(offer) {}
  void OnRequestParsed() override { offer_.Offer(); }

 private:
  RoleOffer& offer_;
};

// Whose handler this thread runs for an executor.
thread_local constinit const ServeLoop* handles_for = nullptr;

// For a handler on a thread of somebody else's, which has no role to offer.
class NothingToOffer final : public FrameServerCall::BeforeHandler {
 public:
  void OnRequestParsed() override {}
};

}  // namespace

ServeLoop::ServeLoop(const Dispatcher& dispatcher, const ServerOptions& options,
                     std::unique_ptr<EventLoop> events)
    : dispatcher_(dispatcher),
      options_(options),
      events_(std::move(events)),
      acceptor_(*events_,
                [this](std::unique_ptr<Connection> connection) { AddSession(std::move(connection)); }),
      last_session_id_(kFirstSession),
      spin_(options.polling),
      // Beside an executor only the runtime's own handlers run here: one thread is left to read.
      pool_(*this, options.executor ? std::max<size_t>(options.max_handler_threads, 2)
                                    : options.max_handler_threads) {}

ServeLoop::~ServeLoop() {
  Stop();
}

// -- The reader
// ----------------------------------------------------------------------------------------------

WorkerPool::Loop::Ended ServeLoop::RunAsReader() {
  role_promised_.store(false, std::memory_order_seq_cst);
  // Calls that were read before the role changed hands come first: their requests lie in the connections'
  // memory.
  if (RunCalls() == Ran::kRoleLost) return Ended::kRoleLost;
  bool slept = false;  // in the wait that goes on
  spin_.Begin();
  while (!pool_.stopping()) {
    const Progress progress = PollHot(Purpose::kRunCalls);
    if (progress == Progress::kRoleLost) return Ended::kRoleLost;
    if (OfferToWaiter()) return Ended::kRoleGiven;
    AfterPoll(progress, slept, kInfiniteFutureNanos);
  }
  pool_.role().Release();
  return Ended::kRoleLost;
}

void ServeLoop::RunAsStandIn() {
  KeepCalls();
  bool slept = false;
  spin_.Begin();
  while (!pool_.stopping() && !pool_.HasSpare() && waiter_count_.load(std::memory_order_relaxed) == 0) {
    AfterPoll(PollHot(Purpose::kKeepCalls), slept, kInfiniteFutureNanos);
  }
  pool_.role().Release();
  pool_.FillReader();
}

// What a round does when it has polled: looks at what sleeps, polls on, or sleeps until `deadline_nanos`.
void ServeLoop::AfterPoll(Progress progress, bool& slept, int64_t deadline_nanos) {
  if (output_left_) [[unlikely]] {
    ApplyDrain();
  }
  if (look_at_events_.load(std::memory_order_relaxed)) [[unlikely]] {
    look_at_events_.store(false, std::memory_order_relaxed);
    LookAtEvents(0);
    RunTimers();
    TakeRequests();
    MuteHot();
    return;
  }
  if (progress == Progress::kSome) {
    // Handlers keep the supervisor awake, and that has this thread look at what sleeps: others' frames,
    // accepts, timers. Frames that start no handler do not.
    if (std::exchange(ran_handlers_, false)) {
      rounds_for_waiters_ = 0;
    } else {
      rounds_for_waiters_++;
      if (++idle_rounds_ % kIdleRounds == 0) look_at_events_.store(true, std::memory_order_relaxed);
    }
    if (!std::exchange(slept, false)) spin_.EndedAwake();
    spin_.Begin();
    if (!spin_.SleepsAtOnce()) return;
  } else if (!hot_.empty() && spin_.Continue()) {
    return;
  }
  const int64_t began = MonotonicNanos();
  if (Sleep(deadline_nanos)) {
    spin_.EndedAsleep(MonotonicNanos() - began);
    slept = true;
  }
  TakeRequests();
  spin_.Begin();
}

ServeLoop::Progress ServeLoop::PollHot(Purpose purpose) {
  Progress progress = Progress::kNone;
  for (size_t i = 0; i < hot_.size();) {
    Entry& entry = *hot_[i];
    ServerSession& session = *entry.session;
    if (session.Poll(runnable_, reading_into_) > 0) {
      progress = Progress::kSome;
      entry.watch.Heard();
    }
    if (session.has_pending()) session.Flush();
    if (HasRunnable()) {
      if (purpose == Purpose::kReadOnly) return progress;
      Ran ran = Ran::kAll;
      if (purpose == Purpose::kKeepCalls) {
        KeepCalls();
      } else {
        ran = RunCalls();
      }
      if (ran == Ran::kRoleLost) return Progress::kRoleLost;
      // A handler has read meanwhile: `entry` may be gone.
      if (ran == Ran::kAllAndRead) return Progress::kSome;
    }
    if (session.closed()) [[unlikely]] {
      ReapIfEnded(entry);
    } else {
      i++;
    }
  }
  return progress;
}

// kRoleLost: the reader role is another thread's, and nothing of the loop may be touched any more.
ServeLoop::Ran ServeLoop::RunCalls() {
  ran_handlers_ = true;
  Ran ran = Ran::kAll;
  while (HasRunnable()) {
    const Ran one = RunOne(*runnable_[next_runnable_++]);
    if (one == Ran::kRoleLost) return one;
    if (one == Ran::kAllAndRead) ran = one;
  }
  runnable_.clear();
  next_runnable_ = kept_runnable_ = 0;
  return ran;
}

void ServeLoop::KeepCalls() {
  for (size_t i = std::max(kept_runnable_, next_runnable_); i < runnable_.size();) {
    FrameServerCall& call = *runnable_[i];
    try {
      call.KeepRequest();
      i++;
    } catch (const std::bad_alloc&) {
      call.session().Refuse(call, absl::ResourceExhaustedError("the server has no memory to keep the call"));
      runnable_.erase(runnable_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  kept_runnable_ = runnable_.size();
}

ServeLoop::Ran ServeLoop::RunOne(FrameServerCall& call) {
  RoleOffer offer(pool_);
  if (call.session().OwesTooMuch()) [[unlikely]] {
    call.session().Refuse(call, absl::ResourceExhaustedError("the client leaves its replies unread"));
    return Ran::kAll;
  }
  // The user's executor is for the user's handlers.
  if (options_.executor && !call.built_in()) {
    RunElsewhere(call, offer);
  } else {
    OfferAfterParse before(offer);
    call.Run(before);
  }
  if (!offer.TakeBack()) return Ran::kRoleLost;
  return offer.retaken() ? Ran::kAllAndRead : Ran::kAll;
}

// On a thread of the executor's, or on this one, where the executor runs tasks at once.
void ServeLoop::RunElsewhere(FrameServerCall& call, RoleOffer& offer) {
  try {
    call.KeepRequest();
    offer.Offer();
    options_.executor([this, &call] {
      if (!call.ClaimRun()) return;
      const ServeLoop* outer = std::exchange(handles_for, this);
      NothingToOffer before;
      call.Run(before);
      handles_for = outer;
    });
  } catch (...) {
    // No memory, or no place in the executor. One that throws and has run the task all the same is put up
    // with.
    if (!call.ClaimRun()) return;
    call.session().Refuse(call, absl::ResourceExhaustedError("the server's executor refused the call"));
  }
}

bool ServeLoop::InHandler() const {
  return RoleOffer::Of(pool_) != nullptr || handles_for == this || cancel_notifier_.IsOnItsThread();
}

// Counts for real only where the bound, which grows with every call, comes to the limit.
bool ServeLoop::TakesCall() {
  if (++open_calls_bound_ <= options_.max_calls) [[likely]] {
    return true;
  }
  open_calls_bound_ = 0;
  for (auto& [id, entry] : sessions_) open_calls_bound_ += entry.session->CountOpenCalls();
  if (open_calls_bound_ >= options_.max_calls) return false;
  open_calls_bound_++;
  return true;
}

// -- Events
// ----------------------------------------------------------------------------------------------

void ServeLoop::LookAtEvents(int64_t deadline_nanos) {
  ready_.clear();
  events_->Wait(deadline_nanos, ready_);
  for (const EventLoop::Ready& report : ready_) {
    if (acceptor_.IsToken(report.token)) {
      acceptor_.Accept(report.token);
      continue;
    }
    auto found = sessions_.find(ConnectionWatch::IdOf(report.token));
    if (found == sessions_.end()) continue;
    found->second.watch.Note(report, found->second.told);
    MakeHot(found->second);
  }
  for (const EventLoop::Ready& report : ready_) {
    auto found = sessions_.find(ConnectionWatch::IdOf(report.token));
    if (acceptor_.IsToken(report.token) || found == sessions_.end() || found->second.told.ready == 0)
      continue;
    found->second.session->connection().Disarm(std::exchange(found->second.told, {}));
  }
  acceptor_.AcceptMore();
}

void ServeLoop::MakeHot(Entry& entry) {
  entry.armed = false;
  if (std::exchange(entry.hot, true)) return;
  hot_.push_back(&entry);
}

// False where there was something to do already.
bool ServeLoop::Sleep(int64_t deadline_nanos) {
  // Those that have said hello by now need no timer: an idle server sleeps without end.
  if (!silent_.empty()) ExpireSilent();
  if (!ArmHot()) return false;
  sleeps_.fetch_add(1, std::memory_order_relaxed);
  const int64_t timer = NextTimer();
  LookAtEvents(std::min(timer, deadline_nanos));
  if (timer != kInfiniteFutureNanos) RunTimers();
  return true;
}

int64_t ServeLoop::NextTimer() const {
  if (acceptor_.paused()) return MonotonicNanos() + kAcceptPauseNanos;
  if (silent_.empty()) return kInfiniteFutureNanos;
  auto found = sessions_.find(silent_.front());
  return found == sessions_.end() ? MonotonicNanos() : found->second.hello_deadline_nanos;
}

void ServeLoop::RunTimers() {
  if (acceptor_.paused()) acceptor_.Resume();
  ExpireSilent();
}

// Before the supervisor sleeps on the event loop in this thread's stead.
void ServeLoop::MuteHot() {
  for (Entry* entry : hot_) entry->watch.Mute(*events_);
}

// Arms every hot connection. False where one has something to do already.
bool ServeLoop::ArmHot() {
  size_t armed = 0;
  for (; armed < hot_.size(); armed++) {
    Entry& entry = *hot_[armed];
    Connection& connection = entry.session->connection();
    if (!connection.Arm() || !entry.watch.Update(*events_, connection, spin_.several_cpus())) break;
    entry.armed = true;
    entry.hot = false;
  }
  const bool all = armed == hot_.size();
  hot_.erase(hot_.begin(), hot_.begin() + static_cast<std::ptrdiff_t>(armed));
  return all;
}

// -- Connections
// ---------------------------------------------------------------------------------------------

void ServeLoop::AddSession(std::unique_ptr<Connection> connection) {
  const uint64_t id = ++last_session_id_;
  Entry entry;
  absl::Status watched = entry.watch.Add(*events_, *connection, id);
  if (!watched.ok()) {
    NoteRefused(watched);
    return;
  }
  ServerSession::Host& host = *this;
  entry.session = std::make_unique<ServerSession>(id, std::move(connection), dispatcher_, options_, host);
  entry.hello_deadline_nanos = MonotonicNanos() + kHelloNanos;
  silent_.push_back(id);
  spin_.SetPeer(entry.session->peer().pid);
  if (draining_) entry.session->GoAway();
  if (LogEnabled(LogLevel::kDebug)) {
    Log(LogLevel::kDebug, absl::StrCat("connection ", id, " accepted: ", entry.session->peer().ToString()));
  }
  hot_.push_back(&sessions_.emplace(id, std::move(entry)).first->second);
}

void ServeLoop::ExpireSilent() {
  const int64_t now = MonotonicNanos();
  while (!silent_.empty()) {
    auto found = sessions_.find(silent_.front());
    if (found != sessions_.end() && !found->second.session->greeted()) {
      if (found->second.hello_deadline_nanos > now) return;
      NoteRefused(absl::DeadlineExceededError(
          absl::StrCat(found->second.session->peer().ToString(), " did not say hello in time")));
      found->second.session->connection().Close();
      MakeHot(found->second);
    }
    silent_.pop_front();
  }
}

void ServeLoop::ReapIfEnded(Entry& entry) {
  const uint64_t id = entry.session->id();
  // The descriptors go at once, so that a dead peer is not reported for ever; the session when its last
  // handler has ended.
  entry.watch.Remove(*events_);
  std::erase(hot_, &entry);
  entry.hot = true;  // Never again in hot_: it has nothing to read.
  if (entry.session->HasOpenCalls()) return;
  sessions_.erase(id);
  if (acceptor_.paused()) acceptor_.Resume();
}

// -- Requests of other threads
// -------------------------------------------------------------------------------

void ServeLoop::NeedsAttention(uint64_t session_id) {
  {
    std::lock_guard lock(mutex_);
    attention_.push_back(session_id);
  }
  look_at_events_.store(true, std::memory_order_release);
  events_->Wake();
}

void ServeLoop::TakeRequests() {
  bool cancel = false;
  bool drain = false;
  {
    std::lock_guard lock(mutex_);
    if (attention_.empty() && replacements_.empty() && !drain_wanted_ && !cancel_wanted_) return;
    drain = drain_wanted_;
    cancel = cancel_wanted_;
  }
  TakeAttention();
  TakeReplacements();
  if (cancel) {
    for (auto& [id, entry] : sessions_) entry.session->CancelCalls();
    std::lock_guard lock(mutex_);
    cancel_wanted_ = false;
    drained_cv_.notify_all();
  }
  if (drain) ApplyDrain();
}

void ServeLoop::TakeAttention() {
  std::vector<uint64_t> attention;
  {
    std::lock_guard lock(mutex_);
    attention.swap(attention_);
  }
  for (const uint64_t id : attention) {
    auto found = sessions_.find(id);
    if (found == sessions_.end()) continue;
    if (found->second.session->closed()) {
      ReapIfEnded(found->second);
      continue;
    }
    if (found->second.armed) found->second.session->connection().Disarm({});
    MakeHot(found->second);
  }
}

void ServeLoop::ReplaceListener(size_t index, std::unique_ptr<Listener> listener) {
  {
    std::lock_guard lock(mutex_);
    replacements_.emplace_back(index, std::move(listener));
  }
  look_at_events_.store(true, std::memory_order_release);
  events_->Wake();
}

void ServeLoop::TakeReplacements() {
  std::vector<std::pair<size_t, std::unique_ptr<Listener>>> replacements;
  {
    std::lock_guard lock(mutex_);
    replacements.swap(replacements_);
  }
  if (draining_) return;  // They end unused.
  for (auto& [index, listener] : replacements) {
    absl::Status replaced = acceptor_.Replace(index, std::move(listener));
    if (!replaced.ok()) {
      Log(LogLevel::kError,
          absl::StrCat("a socket that was made anew cannot be listened at: ", replaced.ToString()));
    }
  }
}

void ServeLoop::ApplyDrain() {
  if (!std::exchange(draining_, true)) {
    acceptor_.Close();
    for (auto& [id, entry] : sessions_) {
      entry.session->GoAway();
      if (!entry.session->has_pending() || entry.hot) continue;
      if (entry.armed) entry.session->connection().Disarm({});
      MakeHot(entry);
    }
  }
  bool open = false;
  output_left_ = false;
  for (auto& [id, entry] : sessions_) {
    open = entry.session->HasOpenCalls() || open;
    output_left_ = output_left_ || (entry.session->has_pending() && !entry.session->closed());
  }
  std::lock_guard lock(mutex_);
  drained_ = !open;
  all_sent_ = !output_left_;
  if (drained_) drained_cv_.notify_all();
}

bool ServeLoop::Drain(int64_t deadline_nanos) {
  std::unique_lock lock(mutex_);
  drain_wanted_ = true;
  look_at_events_.store(true, std::memory_order_release);
  events_->Wake();
  if (deadline_nanos == kInfiniteFutureNanos) {
    drained_cv_.wait(lock, [this] { return drained_; });
    return true;
  }
  const auto left = std::chrono::nanoseconds(std::max<int64_t>(deadline_nanos - MonotonicNanos(), 0));
  return drained_cv_.wait_for(lock, left, [this] { return drained_; });
}

void ServeLoop::AwaitOutput(int64_t until_nanos) {
  const std::chrono::nanoseconds left(std::max<int64_t>(until_nanos - MonotonicNanos(), 0));
  std::unique_lock lock(mutex_);
  drained_cv_.wait_for(lock, left, [this] { return all_sent_; });
}

void ServeLoop::CancelCalls() {
  std::unique_lock lock(mutex_);
  cancel_wanted_ = true;
  look_at_events_.store(true, std::memory_order_release);
  events_->Wake();
  // Before it is done, nothing may stop the reader. Where every thread is in a handler nobody reads, and this
  // one does it.
  while (cancel_wanted_) {
    lock.unlock();
    if (pool_.role().TryTake()) {
      TakeRequests();
      pool_.role().Release();
      pool_.FillReader();
    }
    lock.lock();
    drained_cv_.wait_for(lock, std::chrono::milliseconds(1), [this] { return !cancel_wanted_; });
  }
}

void ServeLoop::Stop() {
  pool_.Stop();
  if (std::exchange(said_last_, true)) return;
  for (auto& [id, entry] : sessions_) entry.session->SayLast();
}

}  // namespace sidecall
