#include "registry/own_registration.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "registry/directory_lock.h"
#include "registry/registration_file.h"
#include "registry/remove_dead.h"
#include "registry/resolver.h"
#include "transport/clock.h"
#include "transport/errno_status.h"
#include "transport/logging.h"

namespace sidecall {
namespace {

// What is added to what the caller registers, at the most.
constexpr size_t kMostOfOwn = 256;

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

std::string WhoServes(const RegistryDirectory& directory, const std::string& service) {
  const Resolution found =
      Resolve({.service = service, .instance = "", .labels = {}}, {{directory.path(), {directory.owner()}}});
  return found.servers.empty() ? "another server"
                               : absl::StrCat("a server of pid ", found.servers.front().pid);
}

// Of the file `claims`, a service's own: FNV-1a of 64 bits, as far as a file's offset can go.
off_t ByteOf(const std::string& service) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char letter : service) hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001b3;
  return static_cast<off_t>(hash >> 2);
}

std::string NewId() {
  std::string bytes(8, '\0');
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    const uint64_t now = BootNanos();  // An id that is taken is refused, by O_EXCL.
    bytes.assign(reinterpret_cast<const char*>(&now), sizeof now);
  }
  return absl::BytesToHexString(bytes);
}

// The services of one server have the same addresses, as a rule. Written once, they make a file of very many
// services a quarter as long to read.
void WriteAddressesOnce(sidecall_registry::Registration& content) {
  if (content.services().empty()) return;
  *content.mutable_addresses() = content.services(0).addresses();
  const auto& first = content.addresses();
  for (auto& service : *content.mutable_services()) {
    const auto& own = service.addresses();
    if (std::equal(own.begin(), own.end(), first.begin(), first.end())) service.clear_addresses();
  }
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
    removed = RemoveSomeDead(own->directory_, own->id_);
    absl::Status made = own->MakeFile();
    if (!made.ok()) return made;
  }
  LogRemoved(removed);
  return own;
}

absl::Status OwnRegistration::Publish(sidecall_registry::Registration content,
                                      OwnSockets::ListenAnew listen_anew) {
  WriteAddressesOnce(content);
  absl::Status valid = CheckContent(content);
  if (!valid.ok()) return valid;
  const std::lock_guard lock(mutex_);
  content_ = std::move(content);
  content_.set_id(id_);
  content_.set_pid(getpid());
  content_.set_start_time(absl::ToUnixNanos(absl::Now()));
  content_.set_generation(BootNanos());
  auto sockets = OwnSockets::Find(directory_, id_, std::move(listen_anew));
  if (!sockets.ok()) return sockets.status();
  sockets_ = *std::move(sockets);
  auto held = DirectoryLock::Take(directory_);
  if (!held.ok()) return held.status();
  absl::Status entered = Enter();
  if (entered.ok()) Watch();
  return entered;
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
  if (held.ok()) RemoveNames();
  file_.reset();
  claims_.reset();
}

// Makes every name of the file that was made. REQUIRES: the mutex and the directory's lock are held.
absl::Status OwnRegistration::Enter() {
  absl::Status status = ClaimServices();
  if (status.ok()) status = NameFile();
  if (status.ok()) status = LinkServices();
  if (!status.ok()) RemoveNames();
  return status;
}

void OwnRegistration::Watch() {
  std::vector<std::string> paths = sockets_.Paths();
  // A file is told of each of its names that goes.
  paths.push_back(absl::StrCat(path_, "/instances/", id_));
  paths.push_back(path_ + "/claims");
  RegistryWatch::Get().Watch(*this, paths);
}

// Whoever serves a service has a lock on its byte of the file, which others may share or not. One file, since
// each lock on a file of its own would take a descriptor. Opened to write only by who is to be alone: all
// servers watch it, and are told of each that closes it then.
absl::Status OwnRegistration::ClaimServices() {
  claims_.reset();
  const std::string path = path_ + "/claims";
  const bool writes = std::any_of(content_.services().begin(), content_.services().end(),
                                  [](const auto& service) { return service.exclusive(); });
  auto claims = std::make_unique<ChildClosedFile>([&] {
    return UniqueFd(openat(directory_.descriptor(), "claims",
                           (writes ? O_RDWR : O_RDONLY) | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
                           0600));
  });
  if (claims->get() < 0) return ErrnoStatus(errno, "make " + path);
  for (const auto& service : content_.services()) {
    const short type = service.exclusive() ? F_WRLCK : F_RDLCK;
    if (TryLockByte(claims->get(), type, ByteOf(service.name()))) continue;
    if (errno != EAGAIN && errno != EACCES) return ErrnoStatus(errno, "lock " + path);
    return absl::AlreadyExistsError(absl::StrCat(
        service.name(), " is served by ", WhoServes(directory_, service.name()),
        service.exclusive() ? ", and this one is to be the only one. Stop that first"
                            : ", which is to be the only one. Stop it first, or start it without exclusive"));
  }
  claims_ = std::move(claims);
  return absl::OkStatus();
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
  if (claims_ == nullptr || !is("claims", *claims_)) return false;
  return std::all_of(content_.services().begin(), content_.services().end(), [&](const auto& service) {
    return is(absl::StrCat(ServicePath(service.name()), "/", id_), *file_);
  });
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
  absl::Status made;
  bool names_were_there = false;
  {
    const std::lock_guard lock(mutex_);
    if (withdrawn_) return false;
    names_were_there = NamesAreThere();
    if (names_were_there && sockets_.AreThere()) return false;
    if (!names_were_there) made = EnterAnew();
    if (made.ok()) made = sockets_.MakeAnew(directory_);
    Watch();
  }
  const std::string name =
      absl::StrCat(names_were_there ? "a socket of the registration " : "the registration ", path_,
                   "/instances/", id_, " was removed or replaced by somebody else, and ");
  if (made.ok()) {
    Log(LogLevel::kWarning, name + "is made anew");
  } else {
    LogOfPeer(LogLevel::kError, absl::StrCat(name, "cannot be made anew: ", std::string(made.message())));
  }
  return !made.ok();
}

}  // namespace sidecall
