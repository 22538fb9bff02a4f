#include "transports/mqueue/mqueue_transport.h"

#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "transports/mqueue/mqueue_connect.h"
#include "transports/mqueue/mqueue_listener.h"

namespace sidecall {
namespace {

// "messages" and "message_bytes" are of the queues of a connection, which the client makes.
constexpr char kOptions[] = "messages message_bytes wakeup";
constexpr size_t kMostMessages = 65536;
constexpr size_t kMostMessageBytes = 16u << 20;

class MqueueTransport final : public Transport {
 public:
  std::string_view scheme() const override { return "mqueue"; }
  std::string AddressIn(const std::string& /*directory*/, const std::string& name) const override {
    // All users' queues are in one place.
    return absl::StrCat("mqueue:/sidecall-", geteuid(), "-", name);
  }
  // A user has room for some four connections.
  bool by_default() const override { return false; }

  absl::StatusOr<std::unique_ptr<Connection>> Connect(const Address& address, int64_t deadline_nanos,
                                                      int cancel_descriptor) const override {
    auto names = Names(address);
    if (!names.ok()) return names.status();
    auto messages = address.SizeOption("messages", MqueueOptions().messages, 1, kMostMessages);
    if (!messages.ok()) return messages.status();
    auto bytes = address.SizeOption("message_bytes", MqueueOptions().message_bytes, kSmallestMessage,
                                    kMostMessageBytes);
    if (!bytes.ok()) return bytes.status();
    auto by_signal = WakeupBySignal(address);
    if (!by_signal.ok()) return by_signal.status();
    return ConnectMqueue(*names,
                         {.messages = *messages, .message_bytes = *bytes, .wakeup_by_signal = *by_signal},
                         deadline_nanos, cancel_descriptor);
  }
  absl::StatusOr<std::unique_ptr<Listener>> Listen(const Address& address) const override {
    auto names = Names(address);
    if (!names.ok()) return names.status();
    auto by_signal = WakeupBySignal(address);
    if (!by_signal.ok()) return by_signal.status();
    return MqueueListener::Listen(*names, *by_signal);
  }

 private:
  static absl::StatusOr<QueueNames> Names(const Address& address) {
    absl::Status options = address.CheckOptions(kOptions);
    if (!options.ok()) return options;
    return QueueNames::Of(address);
  }
  static absl::StatusOr<bool> WakeupBySignal(const Address& address) {
    const auto wakeup = address.options.find("wakeup");
    if (wakeup == address.options.end() || wakeup->second == "poll") return false;
    if (wakeup->second == "signal") return true;
    return absl::InvalidArgumentError(absl::StrCat("'", address.text, "': option wakeup=", wakeup->second,
                                                   " is neither 'poll', which is the default, nor 'signal'"));
  }
};

}  // namespace

std::unique_ptr<const Transport> MakeMqueueTransport() {
  return std::make_unique<MqueueTransport>();
}

}  // namespace sidecall
