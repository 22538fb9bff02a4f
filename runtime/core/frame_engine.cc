#include "core/frame_engine.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/backoff.h"
#include "core/client_observation.h"
#include "core/client_stream.h"
#include "core/connect_wakers.h"
#include "core/ended_stream.h"
#include "core/ended_unary.h"
#include "core/handler_scope.h"
#include "core/pending_call.h"
#include "core/process_counters.h"
#include "core/status_payloads.h"
#include "sidecall/client_context.h"
#include "sidecall/status.h"
#include "transport/clock.h"
#include "transport/errno_status.h"
#include "transport/logging.h"
#include "transport/unique_fd.h"

namespace sidecall {
namespace {

// How often a thread that waits for a change of state looks at an idle connection.
constexpr int64_t kLookInterval = 50'000'000;

// Transports speak of paths and names: the address, as the user wrote it, says with which scheme.
absl::Status WithAddress(const absl::Status& status, const Address& address) {
  std::string_view message = StatusMessage(status);
  const std::string scheme = address.scheme + ": ";
  if (message.starts_with(scheme)) message.remove_prefix(scheme.size());
  const bool named = !address.rest.empty() && message.find(address.rest) != std::string_view::npos;
  return absl::Status(status.code(),
                      absl::StrCat(named ? scheme : address.text + ": ", std::string(message)));
}

// The log line of a connection that is replaced; empty where nobody wants it.
std::string LineOfEnd(const ClientSession& session, const std::string& server, LogLevel level) {
  if (!LogEnabled(level)) return "";
  return absl::StrCat("channel to ", server, ": ", session.WhyUnusable());
}

void LogConnected(const absl::StatusOr<std::unique_ptr<ClientSession>>& session, const std::string& server,
                  const std::string& choice) {
  if (!LogEnabled(LogLevel::kDebug)) return;
  const std::string channel = absl::StrCat("channel to ", server, ": ");
  Log(LogLevel::kDebug,
      session.ok() ? absl::StrCat(channel, "connected to ", (*session)->peer().ToString(), " at ", choice)
                   : absl::StrCat(channel, "not connected: ", session.status().ToString()));
}

// The channel's own limit on connecting is no deadline of the call's.
absl::Status AsOfCall(const absl::Status& why, const ClientContext& context) {
  const bool by_call = MonotonicNanos() >= WaitDeadline(context);  // asked once: exactly
  return absl::IsDeadlineExceeded(why) && !by_call ? absl::UnavailableError(why.message()) : why;
}

// An attempt that ended with its own call, which says nothing of the server.
bool EndedByItsCall(const absl::Status& error) {
  return absl::IsDeadlineExceeded(error) || absl::IsCancelled(error);
}

}  // namespace

FrameEngine::FrameEngine(ServerAddresses server, const ChannelOptions& options)
    : server_(std::move(server)), options_(options) {}

FrameEngine::~FrameEngine() {
  if (!fork_guard_.forked()) return;
  background_.Forget();
  (void)connected_.release();  // To destroy it would wait for threads that sleep there, in the parent.
}

absl::Status FrameEngine::RunUnary(const internal::Method& method, ClientContext& context,
                                   const internal::MessageSource& request, internal::MessageTarget& reply) {
  ObserveStart(method, context);
  absl::Status status = Run(method, context, request, reply);
  ObserveEnd(context, status);
  return status;
}

inline absl::Status FrameEngine::AttemptUnary(const internal::Method& method, ClientContext& context,
                                              const internal::MessageSource& request,
                                              internal::MessageTarget& reply, bool& begun) {
  auto started = Start({.method = method, .context = context, .request = &request, .reply = &reply});
  if (!started.ok()) return started.status();
  begun = true;
  return started->session.Finish(started->call, context);
}

absl::Status FrameEngine::Run(const internal::Method& method, ClientContext& context,
                              const internal::MessageSource& request, internal::MessageTarget& reply) {
  for (bool again = false;; again = true) {
    bool begun = false;
    absl::Status status = AttemptUnary(method, context, request, reply, begun);
    // A server that is going refused it, unseen: the next one that listens there may take it. As gRPC does,
    // once; and as often as it takes for a call that waits.
    if (status.ok() || !begun || !absl::IsUnavailable(status) || !IsNotSent(status)) [[likely]] {
      return status;
    }
    if (again && !context.wait_for_ready()) return status;
    context.mutable_server_initial_metadata().clear();
    context.mutable_server_trailing_metadata().clear();
  }
}

absl::Status FrameEngine::AttemptUnary(const internal::Method& method, ClientContext& context,
                                       const internal::MessageSource& request,
                                       internal::MessageTarget& reply) {
  bool begun = false;
  return AttemptUnary(method, context, request, reply, begun);
}

absl::Status FrameEngine::EnsureConnected(ClientContext& context) {
  if (fork_guard_.forked()) return NotSent(ForkGuard::Error("this channel"));
  FrameWriter::Lock lock(mutex_);
  if (session_ != nullptr && session_->UsableForNewCall()) [[likely]] {
    return absl::OkStatus();
  }
  return UsableSession(lock, context).status();
}

std::vector<std::string> FrameEngine::Connections() {
  if (fork_guard_.forked()) return {};
  const FrameWriter::Lock lock(mutex_);
  if (session_ == nullptr || !session_->usable()) return {};
  return {choice_};
}

internal::PendingUnary& FrameEngine::StartUnary(const internal::Method& method, ClientContext& context,
                                                const internal::MessageSource& request,
                                                google::protobuf::MessageLite& reply, bool may_wait) {
  ObserveStart(method, context);
  auto started = Start({.method = method,
                        .context = context,
                        .request = &request,
                        .reply = nullptr,
                        .pending_reply = &reply,
                        .may_wait = may_wait});
  if (!started.ok()) {
    ObserveEnd(context, started.status());
    return *new EndedUnary(started.status());
  }
  auto& [session, call] = *started;
  if (call.pending() == nullptr) {
    call.pending() = std::make_unique<FramePendingCall>(session, call, fork_guard_);
  }
  call.pending()->Begin(context);
  return *call.pending();
}

void FrameEngine::SendWaiting() {
  if (fork_guard_.forked()) return;
  const FrameWriter::Lock lock(mutex_);
  if (session_ != nullptr) session_->SendWaiting(lock);
}

ChannelState FrameEngine::State() {
  if (fork_guard_.forked()) return ChannelState::kShutdown;
  const FrameWriter::Lock lock(mutex_);
  return CurrentState();
}

bool FrameEngine::AwaitStateChange(ChannelState last, int64_t deadline_nanos) {
  if (fork_guard_.forked()) return last != ChannelState::kShutdown;
  HandlerScope::AboutToBlock();
  FrameWriter::Lock lock(mutex_);
  while (CurrentState() == last) {
    const int64_t now = MonotonicNanos();
    if (now >= deadline_nanos) return false;
    // To sleep on the connection itself would take the reader role, which belongs to those who call.
    const int64_t until = std::min(deadline_nanos, now + kLookInterval);
    connected_->wait_until(lock, std::chrono::steady_clock::time_point(std::chrono::nanoseconds(until)));
  }
  return true;
}

ChannelState FrameEngine::CurrentState() {
  if (connecting_) return ChannelState::kConnecting;
  if (session_ != nullptr) {
    session_->LookAround();
    if (session_->usable()) return ChannelState::kReady;
  }
  const bool failed = !last_error_.ok() && !absl::IsCancelled(last_error_);
  return failed ? ChannelState::kTransientFailure : ChannelState::kIdle;
}

bool FrameEngine::Connect(ClientContext& context) {
  if (fork_guard_.forked()) return false;
  FrameWriter::Lock lock(mutex_);
  if (session_ != nullptr) session_->LookAround();
  if (session_ != nullptr && session_->usable()) return true;
  return AwaitSession(lock, context).ok();
}

std::unique_ptr<internal::ClientStream> FrameEngine::StartStream(const internal::Method& method,
                                                                 ClientContext& context,
                                                                 const internal::MessageSource* request,
                                                                 internal::MessageTarget* reply) {
  ObserveStart(method, context);
  auto started = Start({.method = method, .context = context, .request = request, .reply = reply});
  if (!started.ok()) {
    ObserveEnd(context, started.status());
    return std::make_unique<EndedStream>(started.status());
  }
  return std::make_unique<FrameClientStream>(started->session, started->call, context, request != nullptr);
}

absl::StatusOr<FrameEngine::Started> FrameEngine::Start(const ClientSession::NewCall& start) {
  ClientContext& context = start.context;
  if (fork_guard_.forked()) [[unlikely]] {
    return NotSent(ForkGuard::Error("this channel"));
  }
  if (context.deadline_nanos() == ClientContext::kPassedDeadline) [[unlikely]] {
    return NotSent(absl::DeadlineExceededError("the deadline had passed when it was set"));
  }
  if (context.cancelled()) [[unlikely]] {
    return NotSent(LeftByCaller(start.method, context));
  }
  if (!context.metadata().empty()) {
    absl::Status valid = context.metadata().Validate();
    if (!valid.ok()) return NotSent(valid);
  }
  const size_t size = start.request != nullptr ? start.request->ByteSize() : 0;
  FrameWriter::Lock lock(mutex_);
  ClientSession* session = session_.get();
  if (session == nullptr || !session->UsableForNewCall()) [[unlikely]] {
    auto connected = AwaitSession(lock, context);
    if (!connected.ok()) return connected.status();
    session = *connected;
    if (context.cancelled()) return NotSent(LeftByCaller(start.method, context));
  }
  auto call = session->Start(lock, start, size);
  lock.unlock();
  if (!call.ok()) return call.status();
  context.measure().bytes_sent = size;
  context.set_peer(session->peer());
  return Started{*session, **call};
}

absl::StatusOr<ClientSession*> FrameEngine::AwaitSession(FrameWriter::Lock& lock, ClientContext& context) {
  const int64_t deadline = WaitDeadline(context);
  Backoff backoff;
  for (;;) {
    auto session = UsableSession(lock, context);
    const bool waits = context.wait_for_ready() && server_.waited_for;
    // Descriptors, memory, or queues there are when others have given theirs back.
    const bool may_pass =
        absl::IsUnavailable(session.status()) || absl::IsResourceExhausted(session.status());
    if (session.ok() || !waits || !may_pass) return session;
    lock.unlock();
    CancellableSleep(context, std::min(deadline, MonotonicNanos() + backoff.NextNanos()));
    lock.lock();
    if (context.cancelled()) {
      return NotSent(absl::CancelledError("the caller cancelled the call while it waited for a server"));
    }
    if (HasPassed(deadline)) {
      return NotSent(
          absl::DeadlineExceededError(absl::StrCat("no server before the deadline; the last attempt: ",
                                                   std::string(StatusMessage(session.status())))));
    }
    if (session_ != nullptr && session_->usable()) return session_.get();
  }
}

absl::StatusOr<ClientSession*> FrameEngine::UsableSession(FrameWriter::Lock& lock, ClientContext& context) {
  HandlerScope::AboutToBlock();
  const int64_t limit = NanosFromNow(absl::ToInt64Nanoseconds(options_.connect_timeout));  // saturates
  const int64_t deadline = std::min(limit, WaitDeadline(context));
  while (connecting_) {
    // Somebody else is at it: share what comes of it.
    absl::Status ended = AwaitAttempt(lock, context, deadline);
    if (!ended.ok()) return ended;
    if (session_ != nullptr && session_->usable()) return session_.get();
    if (last_error_.ok()) return NotSent(absl::UnavailableError("the connection ended at once"));
    // The other's deadline, or its cancel, was no affair of this call's.
    if (!EndedByItsCall(last_error_)) return OwnCopy(last_error_);
  }
  return MakeAttempt(lock, context, deadline);
}

absl::Status FrameEngine::AwaitAttempt(FrameWriter::Lock& lock, ClientContext& context,
                                       int64_t deadline_nanos) {
  const std::chrono::steady_clock::time_point until{std::chrono::nanoseconds(deadline_nanos)};
  const uint64_t attempt = attempts_;
  const auto ended = [this, attempt] { return attempts_ != attempt; };
  lock.unlock();
  {
    const CancelNotice notice(context, mutex_, *connected_);
    lock.lock();
    connected_->wait_until(lock, until, [&] { return ended() || context.cancelled(); });
    lock.unlock();  // For the notice to go.
  }
  lock.lock();
  if (context.cancelled()) return CancelledWhileConnecting();
  if (ended()) return absl::OkStatus();
  return NotSent(AsOfCall(absl::DeadlineExceededError(absl::StrCat("connect to ", server_.name,
                                                                   ": not connected before the deadline")),
                          context));
}

absl::StatusOr<ClientSession*> FrameEngine::MakeAttempt(FrameWriter::Lock& lock, ClientContext& context,
                                                        int64_t deadline_nanos) {
  const LogLevel level = session_ != nullptr && session_->violated() ? LogLevel::kWarning : LogLevel::kDebug;
  const std::string ended = session_ != nullptr ? LineOfEnd(*session_, server_.name, level) : "";
  RetireSession(lock);
  connecting_ = true;
  connected_->notify_all();  // Who watches the state.
  lock.unlock();
  // Not before: a sink is the user's code, and may make calls.
  if (!ended.empty()) Log(level, ended);
  std::string choice;
  auto session = OpenSession(context, deadline_nanos, choice);
  if (absl::IsCancelled(session.status())) {
    session = CancelledWhileConnecting();
  } else if (!session.ok()) {
    session = AsOfCall(session.status(), context);
  }
  LogConnected(session, server_.name, choice);
  if (!session.ok()) process_counters.Of(CallSide::kClient).failed.fetch_add(1, std::memory_order_relaxed);
  lock.lock();
  connecting_ = false;
  attempts_++;
  last_error_ = session.ok() ? absl::OkStatus() : NotSent(session.status());
  connected_->notify_all();
  if (!session.ok()) return OwnCopy(last_error_);
  session_ = *std::move(session);
  choice_ = std::move(choice);
  return session_.get();
}

absl::StatusOr<std::unique_ptr<ClientSession>> FrameEngine::OpenSession(ClientContext& context,
                                                                        int64_t deadline_nanos,
                                                                        std::string& choice) {
  const UniqueFd cancelled(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!cancelled.valid()) return ErrnoStatus(errno, "eventfd");
  const CancelBell bell(context, cancelled.get());
  absl::Status first_error;
  std::string failed;
  for (const ServerAddresses::Candidate& candidate : server_.candidates) {
    auto session = OpenSession(candidate, deadline_nanos, cancelled.get());
    if (session.ok()) {
      choice = candidate.address.text;
      if (!failed.empty()) {
        absl::StrAppend(&choice, ", since ", failed);
      } else if (server_.candidates.size() > 1) {
        absl::StrAppend(&choice, ", the first of ", server_.candidates.size(), " that both ends can speak");
      }
      if (!server_.order_of.empty()) absl::StrAppend(&choice, ", in the order of ", server_.order_of);
      return session;
    }
    absl::Status error = WithAddress(session.status(), candidate.address);
    if (EndedByItsCall(error)) return error;
    absl::StrAppend(&failed, failed.empty() ? "" : "; ", std::string(error.message()));
    if (first_error.ok()) first_error = error;
  }
  return absl::Status(first_error.code(), failed);
}

absl::StatusOr<std::unique_ptr<ClientSession>> FrameEngine::OpenSession(
    const ServerAddresses::Candidate& candidate, int64_t deadline_nanos, int cancel_descriptor) {
  const bool once = candidate.transport->connects_once();
  if (once && spent_) {
    return absl::UnavailableError("its one connection has ended, and there is no other at that address");
  }
  auto connection = candidate.transport->Connect(candidate.address, deadline_nanos, cancel_descriptor);
  if (!connection.ok()) return connection.status();
  spent_ = once;
  absl::Status owned = CheckOwner((*connection)->peer());
  if (!owned.ok()) return owned;
  return ClientSession::Open(*std::move(connection), mutex_, options_, deadline_nanos, cancel_descriptor);
}

// Who registered the address must be who listens there; or root, who made the socket for it.
absl::Status FrameEngine::CheckOwner(const PeerIdentity& peer) const {
  if (!server_.owner.has_value() || peer.uid == server_.owner || peer.uid == 0) return absl::OkStatus();
  return absl::PermissionDeniedError(absl::StrCat("who listens there (", peer.ToString(), ") is not uid ",
                                                  *server_.owner, ", which registered ", server_.name,
                                                  ": the address was taken over"));
}

absl::Status FrameEngine::CancelledWhileConnecting() const {
  return NotSent(absl::CancelledError(
      absl::StrCat("connect to ", server_.name, ": the caller cancelled the call meanwhile")));
}

void FrameEngine::RetireSession(const FrameWriter::Lock& lock) {
  if (session_ != nullptr) {
    session_->SendWaiting(lock);
    retired_.push_back(std::move(session_));
  }
  std::erase_if(retired_, [](const auto& session) {
    session->LookAround();  // Answers to calls that were given up are read by nobody else.
    return session->Unused();
  });
}

}  // namespace sidecall
