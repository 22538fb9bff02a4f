#include "transports/inproc/inproc_transport.h"

#include <sys/eventfd.h>

#include <cerrno>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "transport/errno_status.h"
#include "transports/inproc/inproc_connection.h"

namespace sidecall {
namespace {

// What connectors leave for the listener of one name.
struct Backlog {
  explicit Backlog(UniqueFd bell_fd) : bell(std::move(bell_fd)) {}
  const UniqueFd bell;
  std::mutex mutex;
  std::deque<std::unique_ptr<Connection>> waiting;
};

// The names that are listened on in this process.
struct Names {
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<Backlog>> by_name;
};

Names& AllNames() {
  static auto* names = new Names;  // Never destroyed: threads may outlive static destruction.
  return *names;
}

absl::StatusOr<UniqueFd> NewBell() {
  UniqueFd bell(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!bell.valid()) return ErrnoStatus(errno, "inproc: eventfd");
  return bell;
}

class InprocListener final : public Listener {
 public:
  InprocListener(std::string name, std::shared_ptr<Backlog> backlog)
      : name_(std::move(name)), backlog_(std::move(backlog)) {}
  ~InprocListener() override {
    std::lock_guard lock(AllNames().mutex);
    AllNames().by_name.erase(name_);
  }

  absl::StatusOr<std::unique_ptr<Connection>> Accept() override {
    uint64_t rings = 0;
    (void)!read(backlog_->bell.get(), &rings, sizeof rings);
    std::lock_guard lock(backlog_->mutex);
    if (backlog_->waiting.empty()) return nullptr;
    auto connection = std::move(backlog_->waiting.front());
    backlog_->waiting.pop_front();
    return connection;
  }
  int descriptor() const override { return backlog_->bell.get(); }

 private:
  const std::string name_;
  const std::shared_ptr<Backlog> backlog_;
};

class InprocTransport final : public Transport {
 public:
  std::string_view scheme() const override { return "inproc"; }
  std::string AddressIn(const std::string& /*directory*/, const std::string& /*name*/) const override {
    return "";
  }
  bool by_default() const override { return false; }

  absl::StatusOr<std::unique_ptr<Connection>> Connect(const Address& address, int64_t /*deadline*/,
                                                      int /*cancel*/) const override {
    absl::Status options = address.CheckOptions("");
    if (!options.ok()) return options;
    auto to_server = NewBell();
    if (!to_server.ok()) return to_server.status();
    auto to_client = NewBell();
    if (!to_client.ok()) return to_client.status();
    auto requests = std::make_shared<InprocQueue>(*std::move(to_server));
    auto replies = std::make_shared<InprocQueue>(*std::move(to_client));
    std::lock_guard lock(AllNames().mutex);
    auto found = AllNames().by_name.find(address.rest);
    if (found == AllNames().by_name.end()) {
      return absl::UnavailableError(absl::StrCat(
          "connect to ", address.text, ": nobody in this process listens there. Start the server first"));
    }
    Backlog& backlog = *found->second;
    {
      std::lock_guard backlog_lock(backlog.mutex);
      backlog.waiting.push_back(std::make_unique<InprocConnection>(requests, replies));
    }
    const uint64_t one = 1;
    (void)!write(backlog.bell.get(), &one, sizeof one);
    return std::make_unique<InprocConnection>(replies, requests);
  }

  absl::StatusOr<std::unique_ptr<Listener>> Listen(const Address& address) const override {
    absl::Status options = address.CheckOptions("");
    if (!options.ok()) return options;
    auto bell = NewBell();
    if (!bell.ok()) return bell.status();
    auto backlog = std::make_shared<Backlog>(*std::move(bell));
    std::lock_guard lock(AllNames().mutex);
    if (!AllNames().by_name.emplace(address.rest, backlog).second) {
      return absl::AlreadyExistsError(absl::StrCat(
          "listen at ", address.text, ": another server of this process does. Choose another name"));
    }
    return std::make_unique<InprocListener>(address.rest, backlog);
  }
};

}  // namespace

std::unique_ptr<const Transport> MakeInprocTransport() {
  return std::make_unique<InprocTransport>();
}

}  // namespace sidecall
