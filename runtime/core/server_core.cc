#include "core/server_core.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/handshake.h"
#include "core/reload_on_hangup.h"
#include "transport/all_transports.h"
#include "transport/clock.h"
#include "transport/errno_status.h"
#include "transport/logging.h"

namespace sidecall {
namespace {

// What was answered has so long to leave when all handlers have ended, whatever grace is left: a client that
// reads takes a part of it, and one that does not is not waited for without end.
constexpr int64_t kLeastForOutputNanos = 1'000'000'000;
constexpr int64_t kMostForOutputNanos = 5'000'000'000;

// What can be wrong of a server's own options.
absl::Status CheckOptions(const ServerOptions& options) {
  if (options.max_calls == 0) return absl::InvalidArgumentError("max_calls is 0, and 1 is the least");
  if (options.max_handler_threads == 0) {
    return absl::InvalidArgumentError("max_handler_threads is 0, and 1 is the least");
  }
  if (options.max_calls_per_connection == 0 || options.max_calls_per_connection > kMaxCallsPerConnection) {
    return absl::InvalidArgumentError(absl::StrCat("max_calls_per_connection is ",
                                                   options.max_calls_per_connection, ", and 1 to ",
                                                   kMaxCallsPerConnection, " can be"));
  }
  return absl::OkStatus();
}

int64_t DeadlineAfter(absl::Duration grace) {
  return NanosFromNow(absl::ToInt64Nanoseconds(std::max(grace, absl::ZeroDuration())));
}

// Each holds a handler's thread: others are to be left, where there are others.
int32_t MostReflectionStreams(const ServerOptions& options) {
  constexpr size_t kMost = 8;
  return static_cast<int32_t>(std::clamp<size_t>(options.max_handler_threads / 2, 1, kMost));
}

absl::StatusOr<std::unique_ptr<Listener>> MakeListener(const Address& address) {
  auto transport = FindTransport(address);
  return transport.ok() ? (*transport)->Listen(address) : transport.status();
}

}  // namespace

namespace internal {

absl::StatusOr<std::unique_ptr<ServerCore>> ServerCore::Start(const ServerPlan& plan) {
  absl::Status valid = CheckOptions(plan.options);
  if (!valid.ok()) return valid;
  auto config = ConfigFile::Get();
  if (!config.ok()) return config.status();
  std::unique_ptr<ServerCore> core(new ServerCore(plan));
  absl::Status added = core->AddServices(plan.services);
  if (!added.ok()) return added;
  auto events = MakeEventLoop();
  if (!events.ok()) return events.status();
  core->loop_ = std::make_unique<ServeLoop>(core->dispatcher_, core->options_, *std::move(events));

  std::optional<Publication> publication;
  if (plan.addresses.empty() || plan.publish.has_value()) {
    auto prepared = Publication::Prepare(plan.services, plan.addresses,
                                         plan.publish.value_or(PublishOptions()), **config);
    if (!prepared.ok()) return prepared.status();
    publication = *std::move(prepared);
    core->sockets_place_ = publication->sockets_place();
  }
  for (const std::string& address : plan.addresses.empty() ? publication->own_addresses() : plan.addresses) {
    absl::Status listens = core->Listen(address);
    if (!listens.ok()) return listens;
  }
  core->config_changes_.emplace([core = core.get()](const Config& now) { return core->OnConfigChange(now); });
  const absl::Status& guarded = core->config_changes_->first_result();
  if (!guarded.ok()) return guarded;
  if (!(*config)->path.empty()) ReloadConfigOnHangup();
  try {
    core->loop_->Start();
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(absl::StrCat("no threads for the server: ", error.what()));
  }
  // Not before it answers.
  if (publication.has_value()) {
    auto registration =
        std::move(*publication).Register([core = core.get()](const std::string& socket, mode_t mode) {
          return core->ListenAnew(socket, mode);
        });
    if (!registration.ok()) return registration.status();
    core->registration_ = *std::move(registration);
  }
  if (LogEnabled(LogLevel::kInfo)) {
    Log(LogLevel::kInfo, absl::StrCat("a server listens at ", absl::StrJoin(core->addresses_, ", ")));
  }
  return core;
}

absl::Status ServerCore::AddServices(const std::vector<Service*>& services) {
  if (services.empty()) {
    return absl::FailedPreconditionError(
        "the server has no service. Call RegisterService before BuildAndStart");
  }
  for (Service* service : services) {
    if (service == nullptr) return absl::InvalidArgumentError("RegisterService was given a null service");
    absl::Status added = dispatcher_.Add(service);
    if (!added.ok()) return added;
  }
  // A server that registers one of that name keeps it.
  const bool has_own =
      dispatcher_.FindService(sidecall_reflection::ServerReflection::kServiceName) != nullptr;
  if (options_.reflection && !has_own) {
    reflection_ = std::make_unique<ReflectionService>(services, MostReflectionStreams(options_));
    dispatcher_.AddBuiltIn(reflection_.get(), &ReflectionService::Handle);
  }
  return absl::OkStatus();
}

// The guards come first: nobody is to come in between.
absl::Status ServerCore::GuardAsSaid(const Config& config) {
  access_.Apply(config, sockets_place_.guarded);
  if (!sockets_place_.for_others || !access_.Any(config)) return absl::OkStatus();
  open_to_others_.store(true, std::memory_order_release);
  return sockets_place_.OpenToOthers();
}

absl::Status ServerCore::OnConfigChange(const Config& config) {
  absl::Status status = access_.Check(config);
  return status.ok() ? GuardAsSaid(config) : status;
}

absl::Status ServerCore::Listen(const std::string& text) {
  auto address = Address::Parse(text);
  if (!address.ok()) return address.status();
  auto listener = MakeListener(*address);
  if (!listener.ok()) return listener.status();
  absl::Status added = loop_->AddListener(*std::move(listener));
  if (added.ok()) addresses_.push_back(address->ForClients());
  return added;
}

absl::Status ServerCore::ListenAnew(const std::string& socket, mode_t mode) {
  const auto found = std::find_if(addresses_.begin(), addresses_.end(),
                                  [&](const std::string& text) { return text.ends_with("/" + socket); });
  if (found == addresses_.end()) return absl::NotFoundError("the server does not listen at " + socket);
  auto address = Address::Parse(*found);
  if (!address.ok()) return address.status();
  auto listener = MakeListener(*address);
  if (!listener.ok()) return listener.status();
  // Whom it is for was said when the server started, by its umask then, or is said by its rules.
  const std::string path = absl::StrCat(sockets_place_.directory, "/", socket);
  if (chmod(path.c_str(), mode) != 0) return ErrnoStatus(errno, "chmod " + path);
  // Rules may have opened them to others meanwhile.
  if (open_to_others_.load(std::memory_order_acquire)) {
    absl::Status opened = sockets_place_.OpenToOthers();
    if (!opened.ok()) return opened;
  }
  loop_->ReplaceListener(static_cast<size_t>(found - addresses_.begin()), *std::move(listener));
  return absl::OkStatus();
}

ServerCore::~ServerCore() {
  for (std::thread& shutdown : handlers_shutdowns_) shutdown.join();
}

void ServerCore::Shutdown(absl::Duration grace) {
  const int64_t deadline_nanos = DeadlineAfter(grace);
  if (!loop_->InHandler()) {
    ShutdownAndWait(deadline_nanos);
    return;
  }
  const std::lock_guard lock(mutex_);
  if (!handlers_shutdowns_.empty() && deadline_nanos >= handlers_deadline_) return;
  handlers_deadline_ = deadline_nanos;
  try {
    handlers_shutdowns_.emplace_back([this, deadline_nanos] { ShutdownAndWait(deadline_nanos); });
  } catch (const std::system_error&) {
    Log(LogLevel::kError,
        "no thread for the shutdown that a handler asked for: the server takes no new calls, and ends when "
        "it is "
        "destroyed");
    loop_->Drain(0);
  }
}

void ServerCore::ShutdownAndWait(int64_t deadline_nanos) {
  const bool says_so = !shutting_down_.exchange(true) && LogEnabled(LogLevel::kInfo);
  const std::string name = says_so ? absl::StrCat("the server at ", absl::StrJoin(addresses_, ", ")) : "";
  if (says_so) Log(LogLevel::kInfo, name + " shuts down: no new calls");
  // First: who knows it by name goes elsewhere.
  if (registration_ != nullptr) registration_->Withdraw();
  if (!loop_->Drain(deadline_nanos)) {
    if (says_so) Log(LogLevel::kInfo, name + " cancels the calls that are open: their grace has passed");
    loop_->CancelCalls();
    // Services may be destroyed once this has returned.
    loop_->Drain(kInfiniteFutureNanos);
  }
  const int64_t now = MonotonicNanos();
  loop_->AwaitOutput(std::clamp(deadline_nanos, now + kLeastForOutputNanos, now + kMostForOutputNanos));
  {
    std::lock_guard lock(mutex_);
    shut_down_ = true;
  }
  shut_down_cv_.notify_all();
  if (says_so) Log(LogLevel::kInfo, name + " has shut down");
}

void ServerCore::Wait() {
  std::unique_lock lock(mutex_);
  shut_down_cv_.wait(lock, [this] { return shut_down_; });
}

}  // namespace internal

Server::Server(std::unique_ptr<internal::ServerCore> core) : core_(std::move(core)) {}

Server::~Server() {
  if (core_->forked()) {
    (void)core_.release();  // Its threads and locks are the parent's; nothing of it can be ended here.
    return;
  }
  Shutdown(absl::ZeroDuration());
}

void Server::Shutdown(absl::Duration grace) {
  if (!core_->forked()) core_->Shutdown(grace);
}

void Server::Wait() {
  core_->Wait();
}

const std::vector<std::string>& Server::addresses() const {
  return core_->addresses();
}

ServerBuilder& ServerBuilder::AddAddress(std::string_view address) {
  addresses_.emplace_back(address);
  return *this;
}

ServerBuilder& ServerBuilder::Publish(const PublishOptions& options) {
  publish_ = options;
  return *this;
}

ServerBuilder& ServerBuilder::RegisterService(Service* service) {
  services_.push_back(service);
  return *this;
}

ServerBuilder& ServerBuilder::SetOptions(const ServerOptions& options) {
  options_ = options;
  return *this;
}

ServerBuilder& ServerBuilder::SetAccess(std::string_view guarded, AccessRule rule) {
  access_.insert_or_assign(std::string(guarded), std::move(rule));
  return *this;
}

absl::StatusOr<std::unique_ptr<Server>> ServerBuilder::BuildAndStart() {
  auto core = internal::ServerCore::Start({.addresses = addresses_,
                                           .services = services_,
                                           .options = options_,
                                           .publish = publish_,
                                           .access = access_});
  if (!core.ok()) return core.status();
  return std::unique_ptr<Server>(new Server(*std::move(core)));
}

}  // namespace sidecall
