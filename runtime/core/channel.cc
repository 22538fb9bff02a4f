#include "sidecall/channel.h"

#include <chrono>
#include <thread>
#include <utility>

#include "absl/time/clock.h"
#include "core/client_observation.h"
#include "core/config_file.h"
#include "core/ended_stream.h"
#include "core/ended_unary.h"
#include "core/frame_engine.h"
#include "core/named_engine.h"
#include "core/status_payloads.h"
#include "transport/all_transports.h"
#include "transport/clock.h"

namespace sidecall {
namespace {

constexpr std::string_view kServiceScheme = "sidecall:";

// The engine of a channel whose target cannot be used: every call says why.
class LameEngine final : public internal::CallEngine {
 public:
  explicit LameEngine(absl::Status why) : why_(NotSent(std::move(why))) {}
  absl::Status RunUnary(const internal::Method& method, ClientContext& context,
                        const internal::MessageSource& /*request*/,
                        internal::MessageTarget& /*reply*/) override {
    ObserveStart(method, context);
    ObserveEnd(context, why_);
    return why_;
  }
  internal::PendingUnary& StartUnary(const internal::Method& method, ClientContext& context,
                                     const internal::MessageSource& /*request*/,
                                     google::protobuf::MessageLite& /*reply*/, bool /*may_wait*/) override {
    ObserveStart(method, context);
    ObserveEnd(context, why_);
    return *new EndedUnary(why_);
  }
  void SendWaiting() override {}
  std::unique_ptr<internal::ClientStream> StartStream(const internal::Method& method, ClientContext& context,
                                                      const internal::MessageSource* /*request*/,
                                                      internal::MessageTarget* /*reply*/) override {
    ObserveStart(method, context);
    ObserveEnd(context, why_);
    return std::make_unique<EndedStream>(why_);
  }

  ChannelState State() override { return ChannelState::kShutdown; }
  bool Connect(ClientContext& /*context*/) override { return false; }
  void ConnectInBackground() override {}
  std::vector<std::string> Connections() override { return {}; }
  bool AwaitStateChange(ChannelState last, int64_t deadline_nanos) override {
    if (last != ChannelState::kShutdown) return true;
    const std::chrono::nanoseconds until(deadline_nanos);
    std::this_thread::sleep_until(std::chrono::steady_clock::time_point(until));
    return false;
  }

 private:
  const absl::Status why_;
};

int64_t MonotonicDeadline(absl::Time deadline) {
  return NanosFromNow(absl::ToInt64Nanoseconds(deadline - absl::Now()));  // saturates
}

std::unique_ptr<internal::CallEngine> MakeEngine(std::string_view target, const ChannelOptions& options) {
  if (target.starts_with(kServiceScheme)) {
    auto query = ParseServiceTarget(target.substr(kServiceScheme.size()));
    if (!query.ok()) return std::make_unique<LameEngine>(query.status());
    // What the engine then holds to.
    absl::Status readable = ConfigFile::Get().status();
    if (!readable.ok()) return std::make_unique<LameEngine>(readable);
    return std::make_unique<NamedEngine>(*std::move(query), options);
  }
  auto address = Address::Parse(target);
  if (!address.ok()) return std::make_unique<LameEngine>(address.status());
  auto transport = FindTransport(*address);
  if (!transport.ok()) return std::make_unique<LameEngine>(transport.status());
  ServerAddresses server{
      .name = address->text, .candidates = {{*transport, *std::move(address)}}, .owner = std::nullopt};
  return std::make_unique<FrameEngine>(std::move(server), options);
}

}  // namespace

Channel::Channel(std::string_view target, std::unique_ptr<internal::CallEngine> engine)
    : target_(target), engine_(std::move(engine)) {}

Channel::~Channel() = default;

ChannelState Channel::GetState(bool try_to_connect) {
  const ChannelState state = engine_->State();
  const bool connects = state != ChannelState::kReady && state != ChannelState::kShutdown;
  if (try_to_connect && connects) engine_->ConnectInBackground();
  return state;
}

bool Channel::WaitForConnected(absl::Time deadline) {
  ClientContext context;
  context.set_wait_for_ready(true);
  if (deadline != absl::InfiniteFuture()) context.set_deadline(deadline);
  return engine_->Connect(context);
}

bool Channel::WaitForStateChange(ChannelState last_observed, absl::Time deadline) {
  return engine_->AwaitStateChange(last_observed, MonotonicDeadline(deadline));
}

std::vector<std::string> Channel::Connections() {
  return engine_->Connections();
}

std::shared_ptr<Channel> CreateChannel(std::string_view target, const ChannelOptions& options) {
  return std::shared_ptr<Channel>(new Channel(target, MakeEngine(target, options)));
}

}  // namespace sidecall
