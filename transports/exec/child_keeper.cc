#include "transports/exec/child_keeper.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstring>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "transport/clock.h"
#include "transport/errno_status.h"
#include "transport/logging.h"

namespace sidecall {
namespace {

constexpr size_t kLongestLine = 4096;
// Of one child's stderr at a time: others are to be started, and reaped, while it writes without end.
constexpr int kMostReads = 16;

std::string HowItEnded(const siginfo_t& ended) {
  if (ended.si_code == CLD_EXITED) return absl::StrCat("exited with status ", ended.si_status);
  return absl::StrCat("was killed by signal ", ended.si_status, " (", strsignal(ended.si_status), ")");
}

// The keeper, and the process whose it is: in a child of fork() its thread is not, and what it knows is the
// parent's.
std::atomic<ChildKeeper*> the_keeper{nullptr};
std::atomic<pid_t> keepers_process{0};

void SendSignal(const Child& child, int signal) {
  // By its pidfd: the pid may be another's by now.
  syscall(SYS_pidfd_send_signal, child.process().get(), signal, nullptr, 0);
}

// Whether a write of PIPE_BUF bytes would not wait, whatever it is: others are to be started, and reaped,
// while nobody reads it.
bool StderrHasRoom() {
  pollfd item{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  return poll(&item, 1, 0) == 1;
}

// As far as there is room. What can be written nowhere is dropped.
void WriteErrors(std::string& text) {
  size_t written = 0;
  while (written < text.size() && StderrHasRoom()) {
    const size_t piece = std::min<size_t>(text.size() - written, PIPE_BUF);
    const ssize_t size = write(STDERR_FILENO, text.data() + written, piece);
    if (size < 0 && errno == EINTR) continue;
    written = size < 0 ? text.size() : written + static_cast<size_t>(size);
  }
  text.erase(0, written);
}

}  // namespace

absl::StatusOr<ChildKeeper*> ChildKeeper::OfProcess() {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  if (keepers_process.load(std::memory_order_relaxed) == getpid()) return the_keeper.load();
  UniqueFd bell(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!bell.valid()) return ErrnoStatus(errno, "eventfd");
  std::unique_ptr<ChildKeeper> made(new ChildKeeper(std::move(bell)));
  // Signals are the business of the process's own threads.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  absl::Status begun;
  try {
    std::thread([own = made.get()] { own->Run(); }).detach();
  } catch (const std::system_error& error) {
    begun = absl::ResourceExhaustedError(absl::StrCat("no thread to keep children: ", error.what()));
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (!begun.ok()) return begun;
  the_keeper.store(made.release());  // Until the process ends.
  keepers_process.store(getpid(), std::memory_order_release);
  return the_keeper.load();
}

absl::StatusOr<StartedChild> ChildKeeper::Start(const ChildCommand& command) {
  Request request{.command = command, .result = absl::UnknownError("not started yet")};
  std::unique_lock lock(mutex_);
  if (thread_ == std::this_thread::get_id()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "start ", command.program,
        ": a log sink that is told of a child's end cannot wait for another's start. Start it from "
        "another thread"));
  }
  requests_.push_back(&request);
  eventfd_write(bell_.get(), 1);
  started_.wait(lock, [&request] { return request.done; });
  return std::move(request.result);
}

void ChildKeeper::LetGo(const std::shared_ptr<Child>& child, absl::Duration grace) {
  if (keepers_process.load(std::memory_order_acquire) != getpid()) return;
  ChildKeeper& keeper = *the_keeper.load();
  const std::lock_guard lock(keeper.mutex_);
  for (const auto& kept : keeper.kept_) {
    if (kept->child != child || kept->terminate_at_nanos != 0) continue;
    const int64_t nanos = std::min<int64_t>(absl::ToInt64Nanoseconds(grace), INT64_MAX / 4);
    kept->terminate_at_nanos = MonotonicNanos() + nanos;
    kept->kill_at_nanos = kept->terminate_at_nanos + nanos;
    eventfd_write(keeper.bell_.get(), 1);
  }
}

bool ChildKeeper::Keep(const std::shared_ptr<Child>& child) {
  if (keepers_process.load(std::memory_order_acquire) != getpid()) return false;
  ChildKeeper& keeper = *the_keeper.load();
  const std::lock_guard lock(keeper.mutex_);
  for (const auto& kept : keeper.kept_) {
    if (kept->child != child || kept->terminate_at_nanos == INT64_MAX) continue;
    kept->terminate_at_nanos = kept->kill_at_nanos = 0;
    return true;
  }
  return false;
}

void ChildKeeper::GiveUp(const std::shared_ptr<Child>& child) {
  child->record()->SetLetGo();
  LetGo(child, absl::ZeroDuration());
}

void ChildKeeper::Run() {
  {
    const std::lock_guard lock(mutex_);
    thread_ = std::this_thread::get_id();
  }
  for (;;) {
    std::vector<pollfd> items = {{.fd = bell_.get(), .events = POLLIN, .revents = 0}};
    for (const auto& kept : kept_) {
      items.push_back({.fd = kept->child->process().get(), .events = POLLIN, .revents = 0});
      const bool waits = !kept->unwritten.empty();
      items.push_back({.fd = waits ? STDERR_FILENO : kept->errors.get(),
                       .events = static_cast<short>(waits ? POLLOUT : POLLIN),
                       .revents = 0});
    }
    const int64_t left = std::max<int64_t>(NextDeadline() - MonotonicNanos(), 0);
    const int64_t milliseconds = std::min<int64_t>(left / 1'000'000 + (left > 0 ? 1 : 0), 1'000'000);
    if (poll(items.data(), items.size(), static_cast<int>(milliseconds)) > 0) {
      eventfd_t rung = 0;
      (void)eventfd_read(bell_.get(), &rung);
      Look(items);
    }
    EndLate();
    StartAll();
  }
}

void ChildKeeper::StartAll() {
  std::unique_lock lock(mutex_);
  while (!requests_.empty()) {
    Request* request = requests_.front();
    requests_.pop_front();
    lock.unlock();
    auto result = StartChild(request->command);
    if (result.ok() && result->errors.valid()) fcntl(result->errors.get(), F_SETFL, O_NONBLOCK);
    lock.lock();
    if (result.ok()) {
      kept_.push_back(
          std::make_unique<Kept>(Kept{.child = result->child, .errors = std::move(result->errors)}));
    }
    request->result = std::move(result);
    request->done = true;
    started_.notify_all();
  }
}

int64_t ChildKeeper::NextDeadline() {
  const std::lock_guard lock(mutex_);
  int64_t next = INT64_MAX;
  for (const auto& kept : kept_) {
    if (kept->terminate_at_nanos != 0) next = std::min({next, kept->terminate_at_nanos, kept->kill_at_nanos});
  }
  return next;
}

void ChildKeeper::Look(const std::vector<pollfd>& items) {
  std::vector<const Kept*> ended;
  for (size_t i = 0; i < kept_.size(); i++) {
    if (items[2 * i + 2].revents != 0) ForwardErrors(*kept_[i], false);
    if (items[2 * i + 1].revents != 0 && Reap(*kept_[i])) ended.push_back(kept_[i].get());
  }
  if (ended.empty()) return;
  const std::lock_guard lock(mutex_);
  std::erase_if(kept_, [&ended](const std::unique_ptr<Kept>& kept) {
    return std::find(ended.begin(), ended.end(), kept.get()) != ended.end();
  });
}

void ChildKeeper::EndLate() {
  const std::lock_guard lock(mutex_);
  const int64_t now = MonotonicNanos();
  for (const auto& kept : kept_) {
    if (kept->terminate_at_nanos == 0) continue;
    if (now >= kept->kill_at_nanos) {
      SendSignal(*kept->child, SIGKILL);
      kept->kill_at_nanos = kept->terminate_at_nanos = INT64_MAX;
    } else if (now >= kept->terminate_at_nanos) {
      SendSignal(*kept->child, SIGTERM);
      kept->terminate_at_nanos = INT64_MAX;
    }
  }
}

// The first `size` bytes of what it has written.
void ChildKeeper::WriteLine(Kept& kept, size_t size) {
  const ChildRecord& record = *kept.child->record();
  absl::StrAppend(&kept.unwritten, record.program(), "[", record.pid(), "]: ", kept.line.substr(0, size),
                  "\n");
}

// Whole lines; the last time what is left of one, too. (Its descendants may have the pipe still, and write.)
void ChildKeeper::ForwardErrors(Kept& kept, bool last) {
  std::array<char, 4096> bytes;
  bool closed = false;
  WriteErrors(kept.unwritten);
  for (int reads = 0; reads < kMostReads && kept.unwritten.empty(); reads++) {
    const ssize_t size = read(kept.errors.get(), bytes.data(), bytes.size());
    closed = size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR);
    if (size <= 0) break;
    kept.line.append(bytes.data(), static_cast<size_t>(size));
    for (size_t end = 0; (end = kept.line.find('\n')) != std::string::npos; kept.line.erase(0, end + 1)) {
      WriteLine(kept, end);
    }
    if (kept.line.size() > kLongestLine) {
      WriteLine(kept, kept.line.size());
      kept.line.clear();
    }
    WriteErrors(kept.unwritten);
  }
  if (!last && !closed) return;
  if (!kept.line.empty()) WriteLine(kept, kept.line.size());
  kept.line.clear();
  WriteErrors(kept.unwritten);
  kept.errors = UniqueFd();
}

// False where it lives after all.
bool ChildKeeper::Reap(Kept& kept) {
  siginfo_t ended{};
  const auto process = static_cast<id_t>(kept.child->process().get());
  const int waited = waitid(static_cast<idtype_t>(P_PIDFD), process, &ended, WEXITED | WNOHANG);
  if (waited == 0 && ended.si_pid == 0) return false;
  if (waited != 0 && errno == EINTR) return false;
  if (kept.errors.valid()) ForwardErrors(kept, true);
  // ECHILD: the process ignores SIGCHLD, or waits for every child itself.
  const std::string how = waited == 0 ? HowItEnded(ended) : "ended";
  ChildRecord& record = *kept.child->record();
  record.SetEnd(how);
  const LogLevel level = record.let_go() ? LogLevel::kDebug : LogLevel::kWarning;
  if (LogEnabled(level)) Log(level, absl::StrCat(record.ToString(), " ", how));
  return true;
}

}  // namespace sidecall
