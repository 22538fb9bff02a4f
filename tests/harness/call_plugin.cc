#include "call_plugin.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "call_local_server.h"
#include "call_patience.h"
#include "sidecall/child_address.h"
#include "sidecall/log.h"
#include "transport/address.h"

namespace conformance {
namespace {

using sidecall::UniqueFd;

// What nobody ends by itself is ended all the same.
constexpr unsigned kLifeSeconds = 280;

// Calls `meet`, which is bind or connect, with a new socket and the abstract address of that name. Not valid
// where that fails.
template <typename Meet>
UniqueFd SocketAt(const std::string& name, const Meet& meet) {
  sockaddr_un where{};
  where.sun_family = AF_UNIX;
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (name.size() + 1 > sizeof where.sun_path) return {};
  std::copy(name.begin(), name.end(), where.sun_path + 1);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  if (meet(fd.get(), reinterpret_cast<const sockaddr*>(&where), size) != 0) return {};
  return fd;
}

UniqueFd AcceptOne(const UniqueFd& listener) {
  return UniqueFd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
}

// How this process's children ended, from what the runtime has to say of it. It alone waits for them.
class Ends {
 public:
  static Ends& OfProcess() {
    static Ends& ends = *new Ends;
    return ends;
  }
  void Listen() {
    sidecall::SetMinLogLevel(sidecall::LogLevel::kDebug);
    sidecall::SetLogSink([this](sidecall::LogLevel level, std::string_view message) {
      if (level >= sidecall::LogLevel::kWarning) {
        std::fprintf(stderr, "sidecall: %.*s\n", static_cast<int>(message.size()), message.data());
      }
      const std::lock_guard lock(mutex_);
      lines_.emplace_back(message);
      changed_.notify_all();
    });
  }
  // A process of that pid has just begun: what was said was said of another.
  void Forget(pid_t pid) {
    const std::string who = absl::StrCat(" (pid ", pid, ") ");
    const std::lock_guard lock(mutex_);
    std::erase_if(lines_, [&](const std::string& said) { return said.find(who) != std::string::npos; });
  }
  // "exited with status 0"; "" after kPatience.
  std::string Await(pid_t pid) {
    const std::string who = absl::StrCat(" (pid ", pid, ") ");
    std::string how;
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kPatience, [&] {
      const auto line = std::find_if(lines_.begin(), lines_.end(), [&](const std::string& said) {
        return said.find(who + "exited") != std::string::npos || said.find(who + "was") != std::string::npos;
      });
      if (line == lines_.end()) return false;
      how = line->substr(line->find(who) + who.size());
      lines_.erase(line);
      return true;
    });
    return how;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> lines_;
};

}  // namespace

// -- The test's side ----------------------------------------------------------------------------------------

std::string PluginServer::Address(const std::string& name) {
  sidecall::ChildOptions options;
  options.max_restarts = 1000;
  options.grace = absl::FromChrono(kPatience);  // One that is stopped for a while is not killed.
  return sidecall::ChildAddress(std::filesystem::read_symlink("/proc/self/exe").string(), {kPluginFlag, name},
                                options);
}

bool PluginServer::ServesAt(const std::vector<std::string>& addresses) {
  return addresses.size() == 1 && addresses.front().starts_with("exec:");
}

absl::StatusOr<std::unique_ptr<PluginServer>> PluginServer::Start(const std::string& address,
                                                                  const sidecall::ServerOptions& options) {
  const auto parsed = sidecall::Address::Parse(address);
  if (!parsed.ok()) return parsed.status();
  const std::string name = parsed->rest.substr(parsed->rest.rfind(' ') + 1);
  UniqueFd listener = SocketAt(name, bind);
  UniqueFd bell(eventfd(0, EFD_CLOEXEC));
  if (!listener.valid() || !bell.valid() || listen(listener.get(), 64) != 0 ||
      fcntl(listener.get(), F_SETFL, O_NONBLOCK) != 0) {
    return absl::ErrnoToStatus(errno, "listen for children");
  }
  Ends::OfProcess().Listen();
  return std::unique_ptr<PluginServer>(new PluginServer(std::move(listener), std::move(bell), options));
}

PluginServer::PluginServer(UniqueFd listener, UniqueFd bell, const sidecall::ServerOptions& options)
    : bell_(std::move(bell)),
      options_(ToWord(options)),
      listener_(std::move(listener)),
      thread_([this] { Run(); }) {}

PluginServer::~PluginServer() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  eventfd_write(bell_.get(), 1);
  thread_.join();
  for (const auto& plugin : plugins_) plugin->lines.reset();
  for (const auto& plugin : plugins_) ExpectEnd(*plugin);
}

void PluginServer::ExpectEnd(const Plugin& plugin) const {
  pollfd process{.fd = plugin.process.get(), .events = POLLIN, .revents = 0};
  if (poll(&process, 1, std::chrono::milliseconds(kPatience).count()) != 1) {
    ADD_FAILURE() << "process " << plugin.pid << " does not end by itself";
    syscall(SYS_pidfd_send_signal, plugin.process.get(), SIGKILL, nullptr, 0);
    return;
  }
  // The transport kills those whose channel was given up before they had greeted.
  const std::string how = Ends::OfProcess().Await(plugin.pid);
  EXPECT_TRUE(how == "exited with status 0" || how == "was killed by signal 9 (Killed)" ||
              how == "was killed by signal 15 (Terminated)")
      << "process " << plugin.pid << " " << how;
}

void PluginServer::Run() {
  for (;;) {
    std::unique_lock lock(mutex_);
    std::vector<pollfd> items = {{.fd = bell_.get(), .events = POLLIN, .revents = 0},
                                 {.fd = listener_.get(), .events = POLLIN, .revents = 0}};
    for (const auto& plugin : plugins_) {
      items.push_back(
          {.fd = plugin->gone ? -1 : plugin->lines->descriptor(), .events = POLLIN, .revents = 0});
    }
    lock.unlock();
    poll(items.data(), items.size(), -1);
    lock.lock();
    if (ends_) return;
    for (size_t i = 2; i < items.size(); i++) {
      if (items[i].revents != 0) Hear(*plugins_[i - 2]);
    }
    if (listener_.valid() && shuts_down_) {
      StopListening();
    } else if (listener_.valid() && items[1].revents != 0) {
      Admit();
    }
    changed_.notify_all();
  }
}

void PluginServer::StopListening() {
  while (AcceptOne(listener_).valid()) {  // Whoever came last is told by the end of its socket.
  }
  listener_ = UniqueFd();
  eventfd_t rung = 0;
  eventfd_read(bell_.get(), &rung);
}

void PluginServer::Admit() {
  UniqueFd fd = AcceptOne(listener_);
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return;
  auto plugin = std::make_unique<Plugin>();
  plugin->pid = peer.pid;
  Ends::OfProcess().Forget(peer.pid);
  plugin->process = UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, peer.pid, 0)));
  plugin->lines = std::make_unique<LineSocket>(fd.Release());
  for (const std::string& gate : open_) plugin->lines->Send("open " + gate);
  plugin->lines->Send("serve " + options_);
  plugins_.push_back(std::move(plugin));
}

// It has something to say, or has gone.
void PluginServer::Hear(Plugin& plugin) {
  std::string line = plugin.lines->Receive(0);
  plugin.gone = line.empty();
  for (; !line.empty(); line = plugin.lines->Receive(0)) {
    std::istringstream words(line);
    std::string gate;
    Visits visits;
    words >> gate >> visits.arrivals >> visits.cancels;
    if (words.fail()) {
      plugin.shut_down = true;
    } else {
      plugin.gates[gate] = visits;
    }
  }
}

void PluginServer::Tell(const std::string& line) {
  for (const auto& plugin : plugins_) plugin->lines->Send(line);
}

pid_t PluginServer::pid() const {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, kPatience, [this] { return !plugins_.empty(); });
  return plugins_.empty() ? -1 : plugins_.back()->pid;
}

void PluginServer::OpenGate(const std::string& gate) {
  const std::lock_guard lock(mutex_);
  open_.push_back(gate);
  Tell("open " + gate);
}

bool PluginServer::AwaitVisits(const std::string& gate, int Visits::*which, int count) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] {
    int all = 0;
    for (const auto& plugin : plugins_) all += plugin->gates[gate].*which;
    return all >= count;
  });
}

bool PluginServer::AwaitArrivals(const std::string& gate, int count) {
  return AwaitVisits(gate, &Visits::arrivals, count);
}

bool PluginServer::AwaitCancels(const std::string& gate, int count) {
  return AwaitVisits(gate, &Visits::cancels, count);
}

void PluginServer::Kill() {
  const std::lock_guard lock(mutex_);
  for (const auto& plugin : plugins_) {
    syscall(SYS_pidfd_send_signal, plugin->process.get(), SIGKILL, nullptr, 0);
  }
}

void PluginServer::BeginShutdown(absl::Duration grace) {
  std::unique_lock lock(mutex_);
  // The thread that sleeps on the listener closes it: closed by another, its name would stay taken until that
  // thread has left its sleep.
  if (!std::exchange(shuts_down_, true)) eventfd_write(bell_.get(), 1);
  changed_.wait(lock, [this] { return !listener_.valid(); });
  Tell(absl::StrCat("shutdown ", absl::ToInt64Milliseconds(grace)));
}

bool PluginServer::AwaitShutdown() {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] {
    return std::all_of(plugins_.begin(), plugins_.end(),
                       [](const auto& plugin) { return plugin->shut_down || plugin->gone; });
  });
}

// -- The child's --------------------------------------------------------------------------------------------

int RunPluginRole(const std::string& socket) {
  alarm(kLifeSeconds);
  const auto parent = sidecall::ParentAddress();
  UniqueFd fd = SocketAt(socket, connect);
  if (!parent.ok() || !fd.valid()) return 1;
  // The parent's end is the end of what the test says, too.
  const int hung_up = fcntl(fd.get(), F_DUPFD_CLOEXEC, 0);
  std::thread([hung_up] {
    sidecall::WaitForParent();
    shutdown(hung_up, SHUT_RD);
  }).detach();
  LineSocket test(fd.Release());
  std::vector<std::string> open;
  std::unique_ptr<LocalServer> server;
  std::thread shutdown;
  for (std::string line = test.Receive(); !line.empty(); line = test.Receive()) {
    std::istringstream words(line);
    std::string verb;
    std::string word;
    words >> verb >> word;
    if (verb == "open") {
      open.push_back(word);
    } else if (verb == "serve") {
      // Handlers that call their own server do not call its one client.
      auto started =
          LocalServer::Start({absl::StrCat("inproc:plugin-", getpid()), *parent}, OptionsFrom(word),
                             [&test](const std::string& gate, int arrivals, int cancels) {
                               test.Send(absl::StrCat(gate, " ", arrivals, " ", cancels));
                             });
      if (!started.ok()) return 1;
      server = *std::move(started);
    } else {
      const int64_t milliseconds = std::stoll(word);
      server->BeginShutdown(milliseconds == INT64_MAX ? absl::InfiniteDuration()
                                                      : absl::Milliseconds(milliseconds));
      if (shutdown.joinable()) shutdown.join();
      shutdown = std::thread([&] {
        if (server->AwaitShutdown()) test.Send("shut-down");
      });
    }
    for (const std::string& gate : open) {
      if (server != nullptr) server->OpenGate(gate);
    }
  }
  if (shutdown.joinable()) shutdown.join();
  return 0;
}

}  // namespace conformance
