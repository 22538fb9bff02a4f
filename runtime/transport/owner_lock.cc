#include "transport/owner_lock.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <mutex>
#include <optional>

#include "absl/strings/str_cat.h"
#include "transport/errno_status.h"

namespace sidecall {
namespace {

// The files that this process has the lock of: F_GETLK is silent about one's own.
class OwnFiles {
 public:
  static OwnFiles& Get() {
    static auto* files = new OwnFiles;
    return *files;
  }
  // False where it is there already.
  bool Add(dev_t device, ino_t inode) {
    std::lock_guard lock(mutex_);
    auto [found, added] = processes_.try_emplace({device, inode}, getpid());
    if (!added && found->second == getpid()) return false;
    found->second = getpid();  // After a fork, what the parent has is not the child's.
    return true;
  }
  void Remove(dev_t device, ino_t inode) {
    std::lock_guard lock(mutex_);
    processes_.erase({device, inode});
  }
  bool Has(dev_t device, ino_t inode) {
    std::lock_guard lock(mutex_);
    const auto found = processes_.find({device, inode});
    return found != processes_.end() && found->second == getpid();
  }

 private:
  std::mutex mutex_;
  std::map<std::pair<dev_t, ino_t>, pid_t> processes_;
};

struct flock WholeFile() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

// The process with the lock on `file`: none where nobody has it, 0 where it has no pid here.
std::optional<pid_t> HolderOf(int file) {
  struct flock lock = WholeFile();
  if (fcntl(file, F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK) return std::nullopt;
  return lock.l_pid > 0 ? lock.l_pid : 0;
}

// A file in a directory with this bit has the directory's group, not its maker's.
bool DirectoryGivesItsGroup(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  struct stat there {};
  return stat(directory.c_str(), &there) != 0 || (there.st_mode & S_ISGID) != 0;
}

absl::Status CheckIsOwn(const struct stat& file, const std::string& path, mode_t type) {
  if ((file.st_mode & S_IFMT) != type) {
    return absl::AlreadyExistsError(
        absl::StrCat(path, " is no ", type == S_IFIFO ? "FIFO" : "plain file", ". Check the address"));
  }
  if (file.st_uid != geteuid()) {
    return absl::PermissionDeniedError(
        absl::StrCat(path, " was made by uid ", file.st_uid, ", and this is uid ", geteuid(),
                     ": client and server must be of one user here. Use unix: or shm: between users"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<OwnerLock>> OwnerLock::Take(UniqueFd file) {
  struct stat made {};
  if (fstat(file.get(), &made) != 0) return ErrnoStatus(errno, "fstat");
  const absl::Status taken = absl::AlreadyExistsError("a live process has the file");
  struct flock lock = WholeFile();
  if (fcntl(file.get(), F_SETLK, &lock) != 0) {
    return errno == EAGAIN || errno == EACCES ? taken : ErrnoStatus(errno, "lock a file");
  }
  if (!OwnFiles::Get().Add(made.st_dev, made.st_ino)) return taken;
  return std::unique_ptr<OwnerLock>(new OwnerLock(std::move(file), made.st_dev, made.st_ino));
}

OwnerLock::~OwnerLock() {
  if (getpid() == process_) OwnFiles::Get().Remove(device_, inode_);
}

absl::StatusOr<std::unique_ptr<OwnerLock>> MakeOwnedFile(const std::string& path) {
  unlink(path.c_str());
  UniqueFd file(open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.valid()) return ErrnoStatus(errno, "make " + path);
  return OwnerLock::Take(std::move(file));
}

absl::StatusOr<std::unique_ptr<OwnerLock>> MakeOwnedFifo(const std::string& path) {
  const std::string unlocked = path + ".new";
  if (mkfifo(unlocked.c_str(), 0600) != 0) return ErrnoStatus(errno, "make " + unlocked);
  UniqueFd file(open(unlocked.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
  auto lock = file.valid() ? OwnerLock::Take(std::move(file)) : ErrnoStatus(errno, "open " + unlocked);
  // Not rename: that would replace what is there.
  if (lock.ok() && link(unlocked.c_str(), path.c_str()) != 0) lock = ErrnoStatus(errno, "make " + path);
  unlink(unlocked.c_str());
  return lock;
}

absl::StatusOr<FileOwner> OwnerOf(const std::string& path, mode_t type) {
  struct stat made {};
  if (lstat(path.c_str(), &made) != 0) return ErrnoStatus(errno, path);
  absl::Status own = CheckIsOwn(made, path, type);
  if (!own.ok()) return own;
  FileOwner owner;
  owner.identity.uid = made.st_uid;
  if (!DirectoryGivesItsGroup(path)) owner.identity.gid = made.st_gid;
  if (OwnFiles::Get().Has(made.st_dev, made.st_ino)) {
    owner.identity.pid = getpid();
    return owner;
  }
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
  if (!file.valid()) return ErrnoStatus(errno, path);
  struct stat opened {};
  if (fstat(file.get(), &opened) != 0 || opened.st_ino != made.st_ino || opened.st_dev != made.st_dev) {
    return absl::UnavailableError(absl::StrCat(path, " has just been replaced. Try again"));
  }
  const absl::Status dead = absl::UnavailableError(absl::StrCat(path, ": the process whose it was has gone"));
  const std::optional<pid_t> holder = HolderOf(file.get());
  if (!holder.has_value()) return dead;
  if (*holder == 0) return owner;
  owner.identity.pid = *holder;
  owner.process = UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, *holder, 0)));
  if (!owner.process.valid()) {
    if (errno == ESRCH) return dead;
    absl::Status why = ErrnoStatus(errno, "the peer's pidfd");
    if (absl::IsResourceExhausted(why)) return why;
  }
  // Still its: the pid is not another process's by now.
  if (HolderOf(file.get()) != holder) return dead;
  return owner;
}

}  // namespace sidecall
