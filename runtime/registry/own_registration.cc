#include "registry/own_registration.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "registry/directory_lock.h"
#include "registry/registration_file.h"
#include "transport/clock.h"
#include "transport/errno_status.h"
#include "transport/logging.h"

namespace sidecall {
namespace {

// What is added to what the caller registers, at the most.
constexpr size_t kMostOfOwn = 256;

std::string ServicePath(const std::string& service) {
  return "services/" + service;
}

absl::Status WriteAll(int file, const std::string& bytes, const std::string& path) {
  for (size_t written = 0; written < bytes.size();) {
    const ssize_t part = write(file, bytes.data() + written, bytes.size() - written);
    if (part < 0 && errno == EINTR) continue;
    if (part < 0) return ErrnoStatus(errno, "write " + path);
    written += static_cast<size_t>(part);
  }
  return absl::OkStatus();
}

// Of the time since this machine was started, which no clock's setting changes.
uint64_t BootNanos() {
  timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

// "pid 42", of whoever serves it.
std::string WhoServes(const RegistryDirectory& directory, const std::string& service) {
  auto folder = directory.OpenSub(ServicePath(service));
  if (!folder.ok()) return "another server";
  for (const std::string& name : ListDirectory(folder->get())) {
    auto found = ReadRegistration(folder->get(), directory.path() + "/" + ServicePath(service), name,
                                  directory.owner());
    if (found.ok() && found->alive) return absl::StrCat("a server of pid ", found->content.pid());
  }
  return "another server";
}

std::string NewId() {
  std::string bytes(8, '\0');
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    const uint64_t now = BootNanos();  // An id that is taken is refused, by O_EXCL.
    bytes.assign(reinterpret_cast<const char*>(&now), sizeof now);
  }
  return absl::BytesToHexString(bytes);
}

// What readers would refuse.
absl::Status CheckContent(const sidecall_registry::Registration& content) {
  for (const auto& service : content.services()) {
    absl::Status valid = CheckServiceName(service.name());
    if (!valid.ok()) return valid;
  }
  const std::string bytes = content.SerializeAsString();
  constexpr size_t kMost = kMaxRegistrationBytes - kMostOfOwn;
  if (bytes.size() > kMost) {
    return absl::InvalidArgumentError(absl::StrCat("the registration has ", bytes.size(), " bytes, and ",
                                                   kMost, " are the most. Serve less, or with fewer labels"));
  }
  if (sidecall_registry::Registration().ParseFromString(bytes)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "the registration cannot be read back: an instance, a label or the directory's path is no UTF-8");
}

}  // namespace

absl::StatusOr<std::unique_ptr<OwnRegistration>> OwnRegistration::Reserve(RegistryDirectory directory) {
  std::unique_ptr<OwnRegistration> own(new OwnRegistration(std::move(directory), NewId()));
  std::vector<std::string> removed;
  {
    const std::lock_guard lock(own->mutex_);
    auto held = DirectoryLock::Take(own->directory_);
    if (!held.ok()) return held.status();
    removed = RemoveDead(own->directory_);
    absl::Status made = own->MakeFile();
    if (!made.ok()) return made;
  }
  LogRemoved(removed);
  return own;
}

absl::Status OwnRegistration::Publish(sidecall_registry::Registration content) {
  absl::Status valid = CheckContent(content);
  if (!valid.ok()) return valid;
  const std::lock_guard lock(mutex_);
  content_ = std::move(content);
  content_.set_id(id_);
  content_.set_pid(getpid());
  content_.set_start_time(absl::ToUnixNanos(absl::Now()));
  content_.set_generation(BootNanos());
  auto held = DirectoryLock::Take(directory_);
  return held.ok() ? Enter() : held.status();
}

OwnRegistration::~OwnRegistration() {
  if (getpid() != owner_) return;
  RegistryWatch::Get().Forget(*this);
  Withdraw();
}

void OwnRegistration::Withdraw() {
  const std::lock_guard lock(mutex_);
  if (std::exchange(withdrawn_, true) || getpid() != owner_) return;
  auto held = DirectoryLock::Take(directory_);
  // Without it, who cleans up removes the names once the lock on the file is gone, with this.
  if (held.ok()) {
    RemoveNames();
    RemoveUnclaimed();
  }
  file_.reset();
  claims_.clear();
}

// Makes every name of the file that was made. REQUIRES: the mutex and the directory's lock are held.
absl::Status OwnRegistration::Enter() {
  absl::Status status = ClaimServices();
  if (status.ok()) status = NameFile();
  if (status.ok()) status = LinkServices();
  if (!status.ok()) {
    RemoveNames();
    return status;
  }
  // It is told of each name that goes.
  RegistryWatch::Get().Watch(*this, {absl::StrCat(path_, "/instances/", id_)});
  return absl::OkStatus();
}

// Whoever serves a service has a lock on its file in exclusive/, which others may share or not.
absl::Status OwnRegistration::ClaimServices() {
  claims_.clear();
  auto folder = directory_.OpenOrMakeSub("exclusive");
  if (!folder.ok()) return folder.status();
  for (const auto& service : content_.services()) {
    const std::string path = absl::StrCat(path_, "/exclusive/", service.name());
    claims_.push_back(std::make_unique<ChildClosedFile>([&] {
      return UniqueFd(openat(folder->get(), service.name().c_str(),
                             O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
    }));
    const int file = claims_.back()->get();
    if (file < 0) return ErrnoStatus(errno, "make " + path);
    // Touched, so that those who remove what is old leave it.
    futimens(file, nullptr);
    if (TryLock(file, service.exclusive() ? F_WRLCK : F_RDLCK)) continue;
    if (errno != EAGAIN && errno != EACCES) return ErrnoStatus(errno, "lock " + path);
    claims_.clear();
    return absl::AlreadyExistsError(absl::StrCat(
        service.name(), " is served by ", WhoServes(directory_, service.name()),
        service.exclusive() ? ", and this one is to be the only one. Stop that first"
                            : ", which is to be the only one. Stop it first, or start it without exclusive"));
  }
  return absl::OkStatus();
}

// Those files in exclusive/ that nobody else has a lock on. REQUIRES: the directory's lock is held.
void OwnRegistration::RemoveUnclaimed() const {
  for (size_t i = 0; i < claims_.size(); i++) {
    const std::string name = "exclusive/" + content_.services(static_cast<int>(i)).name();
    const int file = claims_[i]->get();
    if (!TryLock(file, F_WRLCK) || !StandsFor(directory_.descriptor(), name, file)) continue;
    unlinkat(directory_.descriptor(), name.c_str(), 0);
  }
}

// The file is locked before it can be opened by anybody else, and whole before it has its name.
absl::Status OwnRegistration::MakeFile() {
  auto folder = directory_.OpenOrMakeSub("instances");
  if (!folder.ok()) return folder.status();
  const std::string fresh = id_ + ".new";
  const std::string path = absl::StrCat(path_, "/instances/", fresh);
  auto file = std::make_unique<ChildClosedFile>([&] {
    return UniqueFd(
        openat(folder->get(), fresh.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  });
  if (file->get() < 0) return ErrnoStatus(errno, "make " + path);
  if (!TryLock(file->get(), F_WRLCK)) return ErrnoStatus(errno, "lock " + path);
  file_ = std::move(file);
  return absl::OkStatus();
}

absl::Status OwnRegistration::NameFile() const {
  const std::string path = absl::StrCat(path_, "/instances/", id_);
  absl::Status written = WriteAll(file_->get(), content_.SerializeAsString(), path);
  if (!written.ok()) return written;
  if (directory_.open_to_others() && fchmod(file_->get(), 0644) != 0)
    return ErrnoStatus(errno, "chmod " + path);
  const std::string name = "instances/" + id_;
  if (renameat(directory_.descriptor(), (name + ".new").c_str(), directory_.descriptor(), name.c_str()) !=
      0) {
    return ErrnoStatus(errno, "rename to " + path);
  }
  return absl::OkStatus();
}

absl::Status OwnRegistration::LinkServices() const {
  auto services = directory_.OpenOrMakeSub("services");
  if (!services.ok()) return services.status();
  const std::string file = "instances/" + id_;
  for (const auto& service : content_.services()) {
    auto folder = directory_.OpenOrMakeSub(ServicePath(service.name()));
    if (!folder.ok()) return folder.status();
    // What has the name, where it is made anew, is the file before.
    unlinkat(folder->get(), id_.c_str(), 0);
    if (linkat(directory_.descriptor(), file.c_str(), folder->get(), id_.c_str(), 0) != 0) {
      return ErrnoStatus(errno, absl::StrCat("link ", path_, "/", ServicePath(service.name()), "/", id_));
    }
  }
  return absl::OkStatus();
}

void OwnRegistration::RemoveNames() const {
  for (const auto& service : content_.services()) {
    const std::string folder = ServicePath(service.name());
    unlinkat(directory_.descriptor(), absl::StrCat(folder, "/", id_).c_str(), 0);
    unlinkat(directory_.descriptor(), folder.c_str(), AT_REMOVEDIR);  // Where it is empty.
  }
  unlinkat(directory_.descriptor(), ("instances/" + id_).c_str(), 0);
  unlinkat(directory_.descriptor(), absl::StrCat("instances/", id_, ".new").c_str(), 0);
}

// Whether every name stands for the very file that is locked.
bool OwnRegistration::NamesAreThere() const {
  const auto is = [this](const std::string& name, const ChildClosedFile& file) {
    return StandsFor(directory_.descriptor(), name, file.get());
  };
  if (file_ == nullptr || !is("instances/" + id_, *file_)) return false;
  for (int i = 0; i < content_.services_size(); i++) {
    const std::string& service = content_.services(i).name();
    if (!is(absl::StrCat(ServicePath(service), "/", id_), *file_)) return false;
    if (static_cast<size_t>(i) >= claims_.size()) return false;
    if (!is("exclusive/" + service, *claims_[static_cast<size_t>(i)])) return false;
  }
  return true;
}

absl::Status OwnRegistration::EnterAnew() {
  // Perhaps the directory itself was removed.
  auto directory = RegistryDirectory::OpenOrMake(path_, directory_.open_to_others() ? 0755 : 0700);
  if (!directory.ok()) return directory.status();
  directory_ = *std::move(directory);
  auto held = DirectoryLock::Take(directory_);
  if (!held.ok()) return held.status();
  absl::Status made = MakeFile();
  return made.ok() ? Enter() : made;
}

bool OwnRegistration::OnRegistryChange() {
  absl::Status entered;
  {
    const std::lock_guard lock(mutex_);
    if (withdrawn_ || NamesAreThere()) return false;
    entered = EnterAnew();
  }
  const std::string name = absl::StrCat("the registration ", path_, "/instances/", id_,
                                        " was removed or replaced by somebody else, and ");
  if (entered.ok()) {
    Log(LogLevel::kWarning, name + "is made anew");
  } else {
    LogOfPeer(LogLevel::kError, absl::StrCat(name, "cannot be made anew: ", std::string(entered.message())));
  }
  return !entered.ok();
}

}  // namespace sidecall
