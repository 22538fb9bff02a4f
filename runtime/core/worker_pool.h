// WorkerPool: the threads of a server. One has the reader role and runs the loop; others run handlers that
// turned out to be slow, or are spare. A supervisor gives the role of a slow handler's thread to a spare one;
// where there is none, and there may be no more, to a stand-in, which reads and runs no handler.
//
// The supervisor looks every few milliseconds while handlers run, and sleeps without end when none do: the
// role of a handler that blocks or computes is another's after 1 to 7 ms.
#ifndef SIDECALL_CORE_WORKER_POOL_H_
#define SIDECALL_CORE_WORKER_POOL_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <thread>
#include <vector>

#include "core/handler_scope.h"
#include "core/reader_role.h"

namespace sidecall {

class WorkerPool {
 public:
  // What the thread with the reader role does.
  class Loop {
   public:
    // kRoleLost: the role has been stolen from this thread, or was released because the pool stops.
    // kRoleGiven: it is released for a handler that waits, and this thread had better not take it again at
    // once.
    enum class Ended { kRoleLost, kRoleGiven };
    virtual Ended RunAsReader() = 0;
    // What the stand-in does with the role: reads until a thread is spare, or a handler waits that can read;
    // then releases it.
    virtual void RunAsStandIn() = 0;
    // Makes RunAsReader look at stopping(). Any thread.
    virtual void Wake() = 0;
    // Readable while the loop would find something to do, should it sleep. The supervisor sleeps on it in the
    // reader's stead while that polls, and says EventsReady: once before the first time, and whenever it is
    // readable.
    virtual int event_descriptor() const = 0;
    virtual void EventsReady() = 0;
    // Grows whenever the reader sleeps.
    virtual uint64_t sleeps() const = 0;
    // Wakes a handler that waits for a message, to take the free role. False where none sleeps.
    virtual bool WakeWaitingHandler() = 0;

   protected:
    ~Loop() = default;
  };

  // `loop` must outlive the pool.
  WorkerPool(Loop& loop, size_t max_threads);
  ~WorkerPool();

  void Start();
  // Ends the loop, waits for handlers that still run, joins every thread.
  void Stop();
  bool stopping() const { return stopping_.load(std::memory_order_acquire); }

  ReaderRole& role() { return role_; }
  // The caller is about to start a handler, and has offered the role.
  void NoteHandler() {
    if (supervisor_parked_.load(std::memory_order_relaxed)) [[unlikely]] {
      UnparkSupervisor();
    }
  }
  // The role was freed by somebody who does not want it: a spare thread takes it, or a new one. False where
  // there is none, and a handler that waits was woken instead, if any does.
  bool FillReader();
  bool HasSpare();

 private:
  void RunWorker();
  void RunStandIn();
  void WantStandIn();
  void RunSupervisor();
  bool AwaitTick(std::chrono::milliseconds tick, bool reader_polls);
  void UnparkSupervisor();
  void SpawnLocked();
  // False where the system has no room for another thread.
  bool TrySpawnLocked();

  Loop& loop_;
  const size_t max_threads_;
  ReaderRole role_;
  std::atomic<bool> stopping_{false};

  std::mutex mutex_;
  std::condition_variable spare_;  // a spare worker should try to take the role
  size_t spares_ = 0;
  bool fill_wanted_ = false;  // also of a thread that is not spare yet
  std::vector<std::thread> workers_;
  std::thread stand_in_;  // none before it is wanted
  std::condition_variable stand_in_wake_;
  bool stand_in_wanted_ = false;
  bool stand_in_reads_ = false;

  alignas(64) std::atomic<bool> supervisor_parked_{false};
  std::mutex supervisor_mutex_;
  std::condition_variable supervisor_wake_;
  std::thread supervisor_;
};

// Runs one handler on the reader's thread: offers the role once the request is parsed, and takes it back
// afterwards, or meanwhile, where the handler waits for a message of its stream.
class RoleOffer final : public HandlerScope {
 public:
  explicit RoleOffer(WorkerPool& pool) : pool_(pool) {}
  // That of the handler that this thread runs for `pool`; null where it runs none.
  static RoleOffer* Of(const WorkerPool& pool) {
    auto* offer = static_cast<RoleOffer*>(Current());
    return offer != nullptr && &offer->pool_ == &pool ? offer : nullptr;
  }
  // From now on the role may be stolen.
  void Offer() {
    ticket_ = pool_.role().Offer();
    offered_ = true;
    pool_.NoteHandler();
  }
  // False where the role is another's now.
  bool TakeBack() { return !offered_ || (!yielded_ && pool_.role().TakeBack(ticket_)); }
  // In the handler: takes the role back, or takes it where it is free. Then Offer it again, or Release it.
  bool Retake() {
    if (!TakeBack() && !pool_.role().TryTake()) {
      yielded_ = true;
      return false;
    }
    yielded_ = false;
    offered_ = false;
    retaken_ = true;
    return true;
  }
  // Gives the role to whoever wants it. False where no thread is free to run handlers.
  bool Release() {
    offered_ = yielded_ = true;
    pool_.role().Release();
    return pool_.FillReader();
  }
  // Whether the handler has had the role meanwhile, and may have read.
  bool retaken() const { return retaken_; }

 private:
  void Yield() override;

  WorkerPool& pool_;
  ReaderRole::Ticket ticket_ = 0;
  bool offered_ = false;
  bool yielded_ = false;
  bool retaken_ = false;
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_WORKER_POOL_H_
