#include "core/named_engine.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/client_call.h"
#include "core/client_observation.h"
#include "core/connect_wakers.h"
#include "core/ended_stream.h"
#include "core/ended_unary.h"
#include "core/handler_scope.h"
#include "core/status_payloads.h"
#include "registry/registration_file.h"
#include "sidecall/client_context.h"
#include "sidecall/status.h"
#include "transport/all_transports.h"
#include "transport/clock.h"
#include "transport/logging.h"

namespace sidecall {
namespace {

// For how long a server that failed a call is tried last.
constexpr int64_t kAvoidNanos = 1'000'000'000;
// How often a thread that waits for a change of state looks at idle connections.
constexpr int64_t kLookInterval = 50'000'000;

std::chrono::steady_clock::time_point TimePoint(int64_t nanos) {
  return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(nanos));
}

// No handler has seen the call, and with another server it may be otherwise.
bool FailedBeforeItBegan(const absl::Status& status) {
  return IsNotSent(status) && !absl::IsInvalidArgument(status) && !absl::IsCancelled(status) &&
         !absl::IsDeadlineExceeded(status);
}

}  // namespace

// A stream that keeps its endpoint.
class NamedEngine::Stream final : public internal::ClientStream {
 public:
  Stream(EndpointUse use, std::unique_ptr<internal::ClientStream> stream)
      : use_(std::move(use)), stream_(std::move(stream)) {}
  bool Write(const internal::MessageSource& message, const WriteOptions& options) override {
    return stream_->Write(message, options);
  }
  bool WritesDone() override { return stream_->WritesDone(); }
  void WaitForInitialMetadata() override { stream_->WaitForInitialMetadata(); }
  bool Read(internal::MessageTarget& message) override { return stream_->Read(message); }
  absl::Status Finish() override { return stream_->Finish(); }

 private:
  const EndpointUse use_;
  const std::unique_ptr<internal::ClientStream> stream_;  // goes first
};

// The same for a call that is finished later; it goes with it.
class NamedEngine::Pending final : public internal::PendingUnary {
 public:
  Pending(EndpointUse use, internal::PendingUnary& call) : use_(std::move(use)), call_(call) {}
  ~Pending() = default;
  absl::Status Finish() override {
    const std::unique_ptr<Pending> self(this);
    return call_.Finish();
  }
  void Abandon() override {
    const std::unique_ptr<Pending> self(this);
    call_.Abandon();
  }

 private:
  const EndpointUse use_;
  internal::PendingUnary& call_;
};

NamedEngine::NamedEngine(ServiceQuery query, const ChannelOptions& options)
    : options_(options),
      balancer_(options.balancer ? options.balancer() : nullptr),
      resolver_(std::move(query), DirectoriesToSearch(options.trusted_owners), [this] { return Look(); }),
      background_([this](ClientContext& context) { (void)PickConnected(context); }),
      config_changes_([this](const Config& now) {
        OnConfigChange(now);
        return absl::OkStatus();
      }) {}

NamedEngine::~NamedEngine() {
  if (!fork_guard_.forked()) return;
  background_.Forget();
  (void)changed_.release();  // To destroy it would wait for threads that sleep there, in the parent.
}

absl::Status NamedEngine::RunUnary(const internal::Method& method, ClientContext& context,
                                   const internal::MessageSource& request, internal::MessageTarget& reply) {
  ObserveStart(method, context);
  absl::Status status = Run(method, context, request, reply);
  ObserveEnd(context, status);
  return status;
}

absl::Status NamedEngine::Run(const internal::Method& method, ClientContext& context,
                              const internal::MessageSource& request, internal::MessageTarget& reply) {
  Attempts attempts;
  if (Endpoint* first = first_.load(std::memory_order_acquire); first != nullptr) [[likely]] {
    if (const EndpointUse use(*first); use) [[likely]] {
      absl::Status status = use.engine().AttemptUnary(method, context, request, reply);
      if (status.ok()) [[likely]] {
        return status;
      }
      NoteFailure(use, status, attempts);
      if (!GoesOn(method, context, status, attempts)) return status;
    }
  }
  for (;;) {
    auto use = Pick(context, attempts);
    if (!use.ok()) return use.status();
    context.mutable_server_initial_metadata().clear();
    context.mutable_server_trailing_metadata().clear();
    absl::Status status = use->engine().AttemptUnary(method, context, request, reply);
    if (status.ok()) return status;
    NoteFailure(*use, status, attempts);
    if (!GoesOn(method, context, status, attempts)) return status;
  }
}

internal::PendingUnary& NamedEngine::StartUnary(const internal::Method& method, ClientContext& context,
                                                const internal::MessageSource& request,
                                                google::protobuf::MessageLite& reply, bool may_wait) {
  auto use = PickConnected(context);
  if (!use.ok()) {
    ObserveStart(method, context);
    ObserveEnd(context, use.status());
    return *new EndedUnary(use.status());
  }
  internal::PendingUnary& call = use->engine().StartUnary(method, context, request, reply, may_wait);
  return *new Pending(*std::move(use), call);
}

void NamedEngine::SendWaiting() {
  if (fork_guard_.forked()) return;
  for (const EndpointUse& use : OpenEndpoints()) use.engine().SendWaiting();
}

std::unique_ptr<internal::ClientStream> NamedEngine::StartStream(const internal::Method& method,
                                                                 ClientContext& context,
                                                                 const internal::MessageSource* request,
                                                                 internal::MessageTarget* reply) {
  auto use = PickConnected(context);
  if (!use.ok()) {
    ObserveStart(method, context);
    ObserveEnd(context, use.status());
    return std::make_unique<EndedStream>(use.status());
  }
  auto stream = use->engine().StartStream(method, context, request, reply);
  return std::make_unique<Stream>(*std::move(use), std::move(stream));
}

// -- Picking a server

// Whether another server may be asked after `status`.
bool NamedEngine::GoesOn(const internal::Method& method, const ClientContext& context,
                         const absl::Status& status, const Attempts& attempts) const {
  if (!FailedBeforeItBegan(status) && !(method.idempotent() && absl::IsUnavailable(status))) return false;
  if (context.cancelled() || HasPassed(WaitDeadline(context))) return false;
  return MayTryOn(context, status, attempts);
}

// A call that waits does so for a server that is not there; what only somebody's mending can change is tried
// on a few.
bool NamedEngine::MayTryOn(const ClientContext& context, const absl::Status& status,
                           const Attempts& attempts) const {
  return (context.wait_for_ready() && absl::IsUnavailable(status)) || attempts.made < options_.max_attempts;
}

// Others are tried before a server that cannot be reached, for a while.
void NamedEngine::NoteFailure(const EndpointUse& use, const absl::Status& status, Attempts& attempts) {
  attempts.made++;
  attempts.last_error = status;
  const bool unreachable = absl::IsUnavailable(status) || absl::IsPermissionDenied(status) ||
                           absl::IsFailedPrecondition(status) || absl::IsUnimplemented(status);
  if (!absl::IsUnavailable(status) && !FailedBeforeItBegan(status)) return;  // A handler's own word.
  attempts.tried.push_back(use.endpoint().server().id);
  if (!unreachable) return;
  const std::lock_guard lock(mutex_);
  use.endpoint().AvoidUntil(MonotonicNanos() + kAvoidNanos);
  Endpoint* expected = &use.endpoint();
  first_.compare_exchange_strong(expected, nullptr, std::memory_order_acq_rel);
}

NamedEngine::Picked NamedEngine::PickNow(const Attempts& attempts) {
  const std::lock_guard lock(mutex_);
  const int64_t now = MonotonicNanos();
  absl::InlinedVector<Endpoint*, 8> all;
  absl::InlinedVector<Endpoint*, 8> avoided;
  for (Endpoint* endpoint : open_) {
    const auto& tried = attempts.tried;
    if (std::find(tried.begin(), tried.end(), endpoint->server().id) != tried.end()) continue;
    (endpoint->avoid_until_nanos() > now ? avoided : all).push_back(endpoint);
  }
  if (all.empty()) all.swap(avoided);
  if (all.empty()) {
    absl::Status why = why_none_.ok() ? absl::UnavailableError("every server was tried") : OwnCopy(why_none_);
    return {.use = {}, .why_none = std::move(why), .changes = changes_};
  }
  if (balancer_ == nullptr) {
    Endpoint* first = first_.load(std::memory_order_relaxed);
    if (first == nullptr || std::find(all.begin(), all.end(), first) == all.end()) first = all[0];
    first_.store(first, std::memory_order_release);
    return {.use = EndpointUse(*first), .why_none = {}, .changes = changes_};
  }
  absl::InlinedVector<BalancedServer, 8> servers;
  for (const Endpoint* endpoint : all) {
    const ServerInstance& server = endpoint->server();
    servers.push_back({server.id, server.instance, server.labels, server.weight, endpoint->users()});
  }
  Endpoint& picked = *all[std::min(balancer_->Pick(servers), all.size() - 1)];
  return {.use = EndpointUse(picked), .why_none = {}, .changes = changes_};
}

absl::StatusOr<EndpointUse> NamedEngine::Pick(ClientContext& context, Attempts& attempts) {
  if (fork_guard_.forked()) return NotSent(ForkGuard::Error("this channel"));
  for (;;) {
    Picked picked = PickNow(attempts);
    if (!picked.use) {
      Look();
      picked = PickNow(attempts);
    }
    if (picked.use) return std::move(picked.use);
    const absl::Status why = attempts.last_error.ok() ? NotSent(picked.why_none) : attempts.last_error;
    // What only somebody's mending can change is not waited for.
    if (!context.wait_for_ready() || !absl::IsUnavailable(why)) return why;
    HandlerScope::AboutToBlock();
    if (!attempts.backoff.has_value()) attempts.backoff.emplace();
    const int64_t again = MonotonicNanos() + attempts.backoff->NextNanos();
    AwaitChange(context, picked.changes, std::min(WaitDeadline(context), again));
    if (context.cancelled()) {
      return NotSent(absl::CancelledError("the caller cancelled the call while it waited for a server"));
    }
    if (HasPassed(WaitDeadline(context))) {
      return NotSent(absl::DeadlineExceededError(
          absl::StrCat("no server before the deadline: ", std::string(StatusMessage(why)))));
    }
    attempts.tried.clear();
  }
}

absl::StatusOr<EndpointUse> NamedEngine::PickConnected(ClientContext& context) {
  Attempts attempts;
  for (;;) {
    auto use = Pick(context, attempts);
    if (!use.ok()) return use;
    absl::Status connected = use->engine().EnsureConnected(context);
    if (connected.ok()) return use;
    NoteFailure(*use, connected, attempts);
    const bool over = context.cancelled() || HasPassed(WaitDeadline(context));
    if (over || !MayTryOn(context, connected, attempts)) return connected;
  }
}

// -- Which servers there are

bool NamedEngine::Look() {
  Resolution resolution;
  bool unused_later = false;
  {
    const std::lock_guard lock(look_mutex_);
    resolution = resolver_.Look();
    unused_later = Apply(resolution);
  }
  for (const std::string& warning : resolution.warnings) LogOfPeer(LogLevel::kWarning, warning);
  return unused_later;
}

// True where a server that has gone still has calls: its connection is to be closed later.
bool NamedEngine::Apply(const Resolution& resolution) {
  std::vector<std::unique_ptr<FrameEngine>> gone;  // Destroyed without the lock: they hang up.
  bool changed = false;
  bool unused_later = false;
  {
    const std::lock_guard lock(mutex_);
    for (Endpoint* endpoint : open_) {
      const bool there = std::any_of(
          resolution.servers.begin(), resolution.servers.end(),
          [endpoint](const ServerInstance& server) { return server.id == endpoint->server().id; });
      if (there) continue;
      Endpoint* expected = endpoint;
      first_.compare_exchange_strong(expected, nullptr, std::memory_order_acq_rel);
      endpoint->Close();
    }
    for (const auto& endpoint : endpoints_) {
      if (auto unused = endpoint->TakeUnused(); unused != nullptr) gone.push_back(std::move(unused));
      unused_later = unused_later || (!endpoint->open() && endpoint->users() > 0);
    }
    why_none_ = OwnCopy(resolution.why_none);
    std::vector<Endpoint*> open;
    for (const ServerInstance& server : resolution.servers) {
      if (Endpoint* endpoint = EndpointOf(server); endpoint != nullptr) open.push_back(endpoint);
    }
    changed = open != open_;
    open_.swap(open);
    if (changed) changes_++;
  }
  // Not at every look: those who wait look, too, and would wake each other without end.
  if (changed) changed_->notify_all();
  return unused_later;
}

// The one that is open, or a new one. Null, with the reason in why_none_, where it offers nothing that this
// client can speak. REQUIRES: the mutex is held.
Endpoint* NamedEngine::EndpointOf(const ServerInstance& server) {
  for (Endpoint* endpoint : open_) {
    if (endpoint->open() && endpoint->server().id == server.id) return endpoint;
  }
  ServerAddresses addresses = AddressesOf(server);
  if (addresses.candidates.empty()) {
    why_none_ = WhyNoneIsSpoken(addresses.name, server);
    return nullptr;
  }
  Endpoint& endpoint = VacantEndpoint();
  endpoint.Open(server, std::make_unique<FrameEngine>(std::move(addresses), options_));
  return &endpoint;
}

Endpoint& NamedEngine::VacantEndpoint() {
  for (const auto& endpoint : endpoints_) {
    if (endpoint->vacant()) return *endpoint;
  }
  endpoints_.push_back(std::make_unique<Endpoint>());
  return *endpoints_.back();
}

// UNAVAILABLE, or INVALID_ARGUMENT where what this client is to take is no transport at all.
absl::Status NamedEngine::WhyNoneIsSpoken(const std::string& name, const ServerInstance& server) const {
  absl::Status known = CheckTransports(transports_);
  if (!known.ok()) return known;
  const std::string offer =
      absl::StrCat(name, " offers ", absl::StrJoin(server.addresses, ", "), ", and this client takes ");
  if (transports_.schemes.empty()) return absl::UnavailableError(offer + "none of these transports");
  return absl::UnavailableError(absl::StrCat(
      offer, absl::StrJoin(transports_.schemes, ", "), ", by ", transports_.said_by,
      ". Add one of the server's there, or have the server listen over one of these (SIDECALL_SERVE)"));
}

// The addresses that this client can speak, in its own order, or else the server's.
ServerAddresses NamedEngine::AddressesOf(const ServerInstance& server) const {
  ServerAddresses result{.name = resolver_.query().service,
                         .candidates = {},
                         .order_of = transports_.said_by,
                         .owner = server.owner,
                         .waited_for = false};
  if (!server.instance.empty()) absl::StrAppend(&result.name, "@", server.instance);
  const auto add = [&](const std::string& scheme) {
    for (const std::string& text : server.addresses) {
      auto address = Address::Parse(text);
      if (!address.ok() || (!scheme.empty() && address->scheme != scheme)) continue;
      auto transport = FindTransport(*address);
      if (transport.ok()) result.candidates.push_back({*transport, *std::move(address)});
    }
  };
  if (transports_.schemes.empty()) add("");
  for (const std::string& scheme : transports_.schemes) add(scheme);
  if (result.order_of.empty() && result.candidates.size() > 1) result.order_of = "the server";
  return result;
}

// Servers are connected to anew where their order is another now; calls that have begun go on as they are.
void NamedEngine::OnConfigChange(const Config& config) {
  TransportChoice now = ChooseTransports("SIDECALL_TRANSPORTS", config.Take(resolver_.query().service),
                                         options_.transports, "ChannelOptions::transports");
  const std::lock_guard lock(mutex_);
  std::swap(transports_, now);
  if (transports_.schemes == now.schemes) return;
  // The next call looks for servers again.
  first_.store(nullptr, std::memory_order_release);
  for (Endpoint* endpoint : open_) endpoint->Close();
  open_.clear();
}

void NamedEngine::AwaitChange(ClientContext& context, uint64_t changes, int64_t until_nanos) {
  const CancelNotice notice(context, mutex_, *changed_);
  std::unique_lock lock(mutex_);
  changed_->wait_until(lock, TimePoint(until_nanos),
                       [&] { return changes_ != changes || context.cancelled(); });
}

std::vector<EndpointUse> NamedEngine::OpenEndpoints() {
  std::vector<EndpointUse> uses;
  const std::lock_guard lock(mutex_);
  for (Endpoint* endpoint : open_) uses.emplace_back(*endpoint);
  return uses;
}

// -- The channel

ChannelState NamedEngine::State() {
  if (fork_guard_.forked()) return ChannelState::kShutdown;
  const std::vector<EndpointUse> uses = OpenEndpoints();
  bool connecting = false;
  size_t failing = 0;
  for (const EndpointUse& use : uses) {
    const ChannelState state = use.engine().State();
    if (state == ChannelState::kReady) return state;
    connecting = connecting || state == ChannelState::kConnecting;
    if (state == ChannelState::kTransientFailure) failing++;
  }
  if (connecting) return ChannelState::kConnecting;
  if (!uses.empty()) return failing == uses.size() ? ChannelState::kTransientFailure : ChannelState::kIdle;
  const std::lock_guard lock(mutex_);
  return why_none_.ok() ? ChannelState::kIdle : ChannelState::kTransientFailure;
}

bool NamedEngine::Connect(ClientContext& context) {
  return State() == ChannelState::kReady || PickConnected(context).ok();
}

bool NamedEngine::AwaitStateChange(ChannelState last, int64_t deadline_nanos) {
  if (fork_guard_.forked()) return last != ChannelState::kShutdown;
  HandlerScope::AboutToBlock();
  while (State() == last) {
    const int64_t now = MonotonicNanos();
    if (now >= deadline_nanos) return false;
    std::unique_lock lock(mutex_);
    changed_->wait_until(lock, TimePoint(std::min(deadline_nanos, now + kLookInterval)));
  }
  return true;
}

std::vector<std::string> NamedEngine::Connections() {
  std::vector<std::string> lines;
  if (fork_guard_.forked()) return lines;
  for (const EndpointUse& use : OpenEndpoints()) {
    for (std::string& line : use.engine().Connections()) lines.push_back(std::move(line));
  }
  return lines;
}

absl::StatusOr<ServiceQuery> ParseServiceTarget(std::string_view rest) {
  const auto wrong = [&](const std::string& why) {
    return absl::InvalidArgumentError(absl::StrCat("'sidecall:", std::string(rest), "' is no target: ", why,
                                                   ". Write it as sidecall:package.Service, "
                                                   "sidecall:package.Service@instance or "
                                                   "sidecall:package.Service?label=value"));
  };
  ServiceQuery query;
  const size_t question = rest.find('?');
  const std::string_view name = rest.substr(0, question);
  const size_t at = name.find('@');
  query.service = name.substr(0, at);
  if (at != std::string_view::npos) {
    query.instance = name.substr(at + 1);
    if (query.instance.empty()) return wrong("no instance follows '@'");
  }
  absl::Status valid = CheckServiceName(query.service);
  if (!valid.ok()) return wrong(std::string(valid.message()));
  if (question == std::string_view::npos) return query;
  const std::string labels(rest.substr(question + 1));
  for (const auto pair : absl::StrSplit(labels, '&')) {
    const std::pair<std::string, std::string> label = absl::StrSplit(pair, absl::MaxSplits('=', 1));
    if (label.first.empty() || !absl::StrContains(pair, '='))
      return wrong("a label is not written as name=value");
    if (!query.labels.insert(label).second) return wrong("a label is named twice");
  }
  return query;
}

}  // namespace sidecall
