// ServeLoop: accepts connections, polls them, and runs handlers: what the thread with a server's reader role
// does.
//
// A connection is hot (polled) while it has been active since the reader last slept, else armed: it is only
// looked at when the event loop reports it.
#ifndef SIDECALL_CORE_SERVE_LOOP_H_
#define SIDECALL_CORE_SERVE_LOOP_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/acceptor.h"
#include "core/adaptive_spin.h"
#include "core/connection_watch.h"
#include "core/dispatcher.h"
#include "core/server_session.h"
#include "core/worker_pool.h"
#include "sidecall/server.h"
#include "transport/event_loop.h"
#include "transport/transport.h"

namespace sidecall {

class ServeLoop final : private WorkerPool::Loop, private ServerSession::Host {
 public:
  // `dispatcher` and `options` must outlive the loop.
  ServeLoop(const Dispatcher& dispatcher, const ServerOptions& options, std::unique_ptr<EventLoop> events);
  ~ServeLoop();

  // Before Start.
  absl::Status AddListener(std::unique_ptr<Listener> listener) { return acceptor_.Add(std::move(listener)); }
  void Start() { pool_.Start(); }

  // -- Any thread's -----------------------------------------------------------------------------------------
  // Listens with it in the place of the one that was added as number `index`, from 0 on, which has lost its
  // address.
  void ReplaceListener(size_t index, std::unique_ptr<Listener> listener);
  // Stops listening and refuses new calls; returns when no call is open, or at `deadline_nanos`. True: none
  // was.
  bool Drain(int64_t deadline_nanos);
  // After Drain: returns when all that was answered has left, or at that time.
  void AwaitOutput(int64_t until_nanos);
  // Tells open calls that nobody waits for them. Returns when they know.
  void CancelCalls();
  // Whether this thread is in a handler of the server's, or in a callback for one.
  bool InHandler() const;
  // Ends everything but handlers that still run, for which it waits.
  void Stop();

 private:
  struct Entry {
    std::unique_ptr<ServerSession> session;
    ConnectionWatch watch;
    bool hot = true;
    bool armed = false;
    ReadyDescriptors told;             // reported since it was armed
    int64_t hello_deadline_nanos = 0;  // when a silent one is closed
  };

  // Rounds that read frames and ran no handler between two looks at the event loop.
  static constexpr uint32_t kIdleRounds = 256;

  Ended RunAsReader() override;
  void RunAsStandIn() override;
  void Wake() override { events_->Wake(); }
  int event_descriptor() const override { return events_->descriptor(); }
  void EventsReady() override { look_at_events_.store(true, std::memory_order_release); }
  uint64_t sleeps() const override { return sleeps_.load(std::memory_order_relaxed); }
  void NeedsAttention(uint64_t session_id) override;
  bool WakeWaitingHandler() override;
  bool AwaitStream(Sleeper& sleeper, const FrameStream* reading_into, int64_t deadline_nanos,
                   absl::FunctionRef<bool()> done) override;
  bool TakesCall() override;
  CancelNotifier& cancel_notifier() override { return cancel_notifier_; }

  // What the role is held for: to run the calls that are read, for a handler that waits in the midst of one,
  // or in the stead of threads that are all in handlers: then calls are kept until one is not.
  enum class Purpose { kRunCalls, kReadOnly, kKeepCalls };
  enum class Progress { kNone, kSome, kRoleLost };
  Progress PollHot(Purpose purpose);
  void AfterPoll(Progress progress, bool& slept, int64_t deadline_nanos);
  bool HasRunnable() const { return next_runnable_ < runnable_.size(); }
  enum class Ran { kAll, kAllAndRead, kRoleLost };
  Ran RunCalls();
  void KeepCalls();
  Ran RunOne(FrameServerCall& call);
  void RunElsewhere(FrameServerCall& call, RoleOffer& offer);
  void ReadFor(const FrameStream* reading_into, int64_t deadline_nanos, absl::FunctionRef<bool()> done);
  void SleepAsWaiter(Sleeper& sleeper, int64_t deadline_nanos, absl::FunctionRef<bool()> done);
  bool TakeRole(RoleOffer* offer);
  bool ReleaseRole(RoleOffer* offer);
  void GiveRoleBack(RoleOffer* offer);
  bool OfferToWaiter();
  void LookAtEvents(int64_t deadline_nanos);
  bool Sleep(int64_t deadline_nanos);
  int64_t NextTimer() const;
  void RunTimers();
  bool ArmHot();
  void MuteHot();
  void MakeHot(Entry& entry);
  void TakeRequests();
  void TakeAttention();
  void TakeReplacements();
  void ApplyDrain();
  void AddSession(std::unique_ptr<Connection> connection);
  void ReapIfEnded(Entry& entry);
  void ExpireSilent();

  const Dispatcher& dispatcher_;
  const ServerOptions& options_;
  const std::unique_ptr<EventLoop> events_;

  // The reader's.
  Acceptor acceptor_;
  std::unordered_map<uint64_t, Entry> sessions_;
  std::vector<Entry*> hot_;
  std::deque<uint64_t> silent_;             // not greeted yet, in order of their deadlines
  std::vector<FrameServerCall*> runnable_;  // those from next_runnable_ on have not run
  size_t next_runnable_ = 0;
  size_t kept_runnable_ = 0;  // those before do not lie in a connection's memory
  std::vector<EventLoop::Ready> ready_;
  uint64_t last_session_id_ = 0;
  AdaptiveSpin spin_;
  uint64_t open_calls_bound_ = 0;  // at least the calls that are open
  bool draining_ = false;
  bool output_left_ = false;  // when that was last looked at, while draining
  bool said_last_ = false;
  bool ran_handlers_ = false;  // since frames were last looked at
  uint32_t idle_rounds_ = 0;
  const FrameStream* reading_into_ = nullptr;  // whose consumer reads, and waits for a message
  uint32_t rounds_for_waiters_ = 0;            // in a row that read frames and started no handler
  std::atomic<uint64_t> sleeps_{0};
  alignas(64) std::atomic<bool> look_at_events_{false};  // also: other threads' requests

  // Any thread's, under the mutex.
  std::mutex mutex_;
  std::condition_variable drained_cv_;
  std::vector<uint64_t> attention_;
  std::vector<std::pair<size_t, std::unique_ptr<Listener>>> replacements_;
  bool drain_wanted_ = false;
  bool cancel_wanted_ = false;
  bool drained_ = false;  // no call is open
  bool all_sent_ = false;
  std::vector<Sleeper*> waiters_;  // handlers that wait for their stream without the role
  std::atomic<size_t> waiter_count_{0};
  // Calls were read by a handler that waits, and a worker is on its way to run them: the free role is that
  // worker's.
  std::atomic<bool> role_promised_{false};

  CancelNotifier cancel_notifier_;
  WorkerPool pool_;  // last: its threads use all of the above
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_SERVE_LOOP_H_
