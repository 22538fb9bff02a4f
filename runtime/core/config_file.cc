#include "core/config_file.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <mutex>
#include <new>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sidecall/config.h"
#include "transport/errno_status.h"
#include "transport/logging.h"
#include "transport/unique_fd.h"

namespace sidecall {
namespace {

constexpr char kDefaultPath[] = "/etc/sidecall/config.textproto";
constexpr off_t kMostBytes = 1 << 20;

void UnlockState();

// What there is of it in this process. Never destroyed: threads may outlive static destruction.
struct State {
  std::mutex reading;  // one at a time; who is looked up may be far away, and nobody else waits for that
  std::mutex mutex;    // both below
  std::shared_ptr<const Config> config;  // null: not read yet
  std::string path;                      // that it was read for
  std::mutex telling;                    // held while subscriptions are told, and come or go; taken first
  std::set<const ConfigFile::Subscription*> subscriptions;
};

State& TheState() {
  static auto* state = [] {
    auto* made = new State;
    // A child is to find them free, and what they guard whole.
    pthread_atfork([] { std::lock(TheState().telling, TheState().mutex); }, &UnlockState,
                   [] {
                     TheState().subscriptions.clear();  // The parent's, which may go without a word.
                     // Perhaps another thread of the parent was reading. To wait for that would hold up the
                     // fork.
                     new (&TheState().reading) std::mutex;
                     UnlockState();
                   });
    return made;
  }();
  return *state;
}

void UnlockState() {
  TheState().mutex.unlock();
  TheState().telling.unlock();
}

// Who runs a program with more rights than the user's own does not take the user's word.
std::string PathFromEnvironment() {
  const char* path = secure_getenv("SIDECALL_CONFIG");
  return path != nullptr ? path : "";
}

// It says who may call: nobody else is to have written it.
absl::Status CheckFile(const struct stat& found, const std::string& path) {
  const auto refused = [&](const std::string& why) {
    return absl::FailedPreconditionError(absl::StrCat("the config file ", path, " is not read: ", why));
  };
  if (!S_ISREG(found.st_mode)) return refused("it is no plain file");
  if (found.st_uid != 0 && found.st_uid != geteuid()) {
    return refused(
        absl::StrCat("it belongs to uid ", found.st_uid, ". Make it root's, or uid ", geteuid(), "'s"));
  }
  if ((found.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return refused("others may write to it. Run: chmod go-w " + path);
  if (found.st_size > kMostBytes) return refused(absl::StrCat("it has ", found.st_size, " bytes"));
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadWhole(int file, const std::string& path) {
  std::string text;
  char part[4096];
  for (;;) {
    const ssize_t size = read(file, part, sizeof part);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return ErrnoStatus(errno, "read " + path);
    if (size == 0) return text;
    text.append(part, static_cast<size_t>(size));
    if (text.size() > size_t{kMostBytes})
      return absl::FailedPreconditionError(path + " grows while it is read");
  }
}

absl::StatusOr<Config> ReadConfig() {
  const std::string named = PathFromEnvironment();
  const std::string path = named.empty() ? kDefaultPath : named;
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file.valid()) {
    if (named.empty() && errno == ENOENT) return Config();
    return ErrnoStatus(errno, absl::StrCat("open the config file ", path),
                       named.empty() ? "" : "See $SIDECALL_CONFIG");
  }
  struct stat before {};
  struct stat after {};
  if (fstat(file.get(), &before) != 0) return ErrnoStatus(errno, "stat " + path);
  absl::Status trusted = CheckFile(before, path);
  if (!trusted.ok()) return trusted;
  auto text = ReadWhole(file.get(), path);
  if (!text.ok()) return text.status();
  if (fstat(file.get(), &after) != 0) return ErrnoStatus(errno, "stat " + path);
  const bool same =
      before.st_mtim.tv_sec == after.st_mtim.tv_sec && before.st_mtim.tv_nsec == after.st_mtim.tv_nsec;
  if (!same || static_cast<off_t>(text->size()) != after.st_size) {
    return absl::FailedPreconditionError(
        absl::StrCat("the config file ", path, " changes while it is read. Write it beside, and rename it"));
  }
  return ParseConfig(*text, path);
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Config>> ConfigFile::Get() {
  State& state = TheState();
  const std::string path = PathFromEnvironment();
  const auto known = [&]() -> std::shared_ptr<const Config> {
    const std::lock_guard lock(state.mutex);
    return state.path == path ? state.config : nullptr;
  };
  if (auto config = known(); config != nullptr) return config;
  const std::lock_guard reading(state.reading);
  if (auto config = known(); config != nullptr) return config;
  auto read = ReadConfig();
  if (!read.ok()) return read.status();
  auto fresh = std::make_shared<const Config>(*std::move(read));
  const std::lock_guard lock(state.mutex);
  state.config = fresh;
  state.path = path;
  return fresh;
}

absl::Status ConfigFile::Reload() {
  State& state = TheState();
  std::shared_ptr<const Config> fresh;
  absl::Status result;
  {
    const std::lock_guard reading(state.reading);
    auto read = ReadConfig();
    if (!read.ok()) return read.status();
    fresh = std::make_shared<const Config>(*std::move(read));
    const std::lock_guard telling(state.telling);
    {
      const std::lock_guard lock(state.mutex);
      // Somebody is just replacing it, perhaps: that is not to lift all of its rules.
      if (fresh->path.empty() && state.config != nullptr && !state.config->path.empty()) {
        return absl::NotFoundError(
            absl::StrCat("the config file ", state.config->path,
                         " is gone: what it said stays. To say nothing, make it empty"));
      }
      state.config = fresh;
      state.path = PathFromEnvironment();
    }
    for (const Subscription* subscription : state.subscriptions) result.Update(subscription->told_(*fresh));
  }
  if (!fresh->path.empty()) {
    Log(LogLevel::kInfo, absl::StrCat("the config file ", fresh->path, " was read again"));
  }
  return result;
}

ConfigFile::Subscription::Subscription(std::function<absl::Status(const Config&)> told)
    : told_(std::move(told)), owner_(getpid()) {
  State& state = TheState();
  const std::lock_guard lock(state.telling);
  std::shared_ptr<const Config> now;
  {
    const std::lock_guard lock_of_config(state.mutex);
    now = state.config;
  }
  if (now != nullptr) first_result_ = told_(*now);
  state.subscriptions.insert(this);
}

ConfigFile::Subscription::~Subscription() {
  if (getpid() != owner_) return;
  State& state = TheState();
  const std::lock_guard lock(state.telling);
  state.subscriptions.erase(this);
}

absl::Status ReloadConfig() {
  return ConfigFile::Reload();
}

}  // namespace sidecall
