#include "registry/registration_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <climits>
#include <memory>
#include <span>

#include "absl/strings/str_cat.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"
#include "transport/errno_status.h"

namespace sidecall {
namespace {

absl::Status NoRegistration(const std::string& path, const std::string& why) {
  return absl::DataLossError(absl::StrCat(path, " is no registration: ", why));
}

absl::Status ReadAll(int file, const std::string& path, std::span<char> bytes) {
  for (size_t have = 0; have < bytes.size();) {
    const ssize_t part = pread(file, bytes.data() + have, bytes.size() - have, static_cast<off_t>(have));
    if (part < 0 && errno == EINTR) continue;
    if (part < 0) return ErrnoStatus(errno, "read " + path);
    if (part == 0) return NoRegistration(path, "it became shorter while it was read");
    have += static_cast<size_t>(part);
  }
  return absl::OkStatus();
}

// What `bytes` say of the server and of `service`. Its other services are not parsed: there may be a
// thousand, and to parse them would cost more than all the rest.
bool ParseOnly(const std::string& service, std::string_view bytes, sidecall_registry::Registration& content) {
  using google::protobuf::internal::WireFormatLite;
  constexpr uint32_t kServices = WireFormatLite::MakeTag(
      sidecall_registry::Registration::kServicesFieldNumber, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
  sidecall_registry::Service wanted;
  wanted.set_name(service);
  const std::string beginning = wanted.SerializeAsString();  // The name comes first.
  std::string kept;
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const uint8_t*>(bytes.data()),
                                               static_cast<int>(bytes.size()));
  const auto position = [&input] { return static_cast<size_t>(input.CurrentPosition()); };
  while (position() < bytes.size()) {
    const size_t begin = position();
    const uint32_t tag = input.ReadTag();
    bool is_other = false;
    if (tag == kServices) {
      uint32_t length = 0;
      if (!input.ReadVarint32(&length)) return false;
      is_other = !bytes.substr(position()).starts_with(beginning);
      if (length > bytes.size() || !input.Skip(static_cast<int>(length))) return false;
    } else if (!WireFormatLite::SkipField(&input, tag)) {
      return false;
    }
    if (!is_other) kept.append(bytes, begin, position() - begin);
  }
  return content.ParseFromString(kept);
}

}  // namespace

absl::StatusOr<FoundRegistration> ReadRegistration(int directory, const std::string& path,
                                                   const std::string& name, uid_t owner,
                                                   const std::string& service) {
  const std::string full = absl::StrCat(path, "/", name);
  UniqueFd file(openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file.valid()) {
    return errno == ELOOP ? NoRegistration(full, "it is a symbolic link")
                          : ErrnoStatus(errno, "open " + full);
  }
  struct stat found {};
  if (fstat(file.get(), &found) != 0) return ErrnoStatus(errno, "stat " + full);
  if (!S_ISREG(found.st_mode)) return NoRegistration(full, "it is no plain file");
  if (found.st_uid != owner) return NoRegistration(full, absl::StrCat("it belongs to uid ", found.st_uid));
  if (found.st_size > off_t{kMaxRegistrationBytes})
    return NoRegistration(full, absl::StrCat("it has ", found.st_size, " bytes"));
  FoundRegistration result;
  result.alive = IsWriteLocked(file.get());
  const auto size = static_cast<size_t>(found.st_size);
  const auto bytes = std::make_unique_for_overwrite<char[]>(size);
  absl::Status read = ReadAll(file.get(), full, {bytes.get(), size});
  if (!read.ok()) return read;
  const bool parsed = service.empty() ? result.content.ParseFromArray(bytes.get(), static_cast<int>(size))
                                      : ParseOnly(service, {bytes.get(), size}, result.content);
  if (!parsed) return NoRegistration(full, "its bytes cannot be parsed");
  if (result.content.id() != name) return NoRegistration(full, "it is not registered under this name");
  result.owner = found.st_uid;
  result.path = full;
  return result;
}

absl::StatusOr<std::vector<std::string>> ListDirectory(int directory) {
  // A description of its own: the position of `directory` is shared with whoever has it.
  const int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* stream = fd >= 0 ? fdopendir(fd) : nullptr;
  if (stream == nullptr) {
    absl::Status why = ErrnoStatus(errno, "list a registry's directory");
    if (fd >= 0) close(fd);
    return why;
  }
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(stream);
    if (entry == nullptr) break;
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  absl::Status listed = errno == 0 ? absl::OkStatus() : ErrnoStatus(errno, "list a registry's directory");
  closedir(stream);
  if (!listed.ok()) return listed;
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> NamesIn(int directory) {
  return ListDirectory(directory).value_or(std::vector<std::string>());
}

bool IsWriteLocked(int file) {
  struct flock lock {};
  lock.l_type = F_RDLCK;  // Which others' read locks do not hinder.
  return fcntl(file, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_WRLCK;
}

std::string ServicePath(const std::string& service) {
  return "services/" + service;
}

absl::Status CheckServiceName(std::string_view name) {
  const bool plain = std::all_of(name.begin(), name.end(), [](unsigned char byte) {
    return std::isalnum(byte) != 0 || byte == '_' || byte == '.';
  });
  if (name.empty() || name.front() == '.' || !plain || name.size() > NAME_MAX) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", std::string(name.substr(0, NAME_MAX)),
                     "' is no name of a service that can be registered. Write it as package.Service, with at "
                     "most ",
                     NAME_MAX, " letters"));
  }
  return absl::OkStatus();
}

bool StandsFor(int directory, const std::string& name, int file) {
  struct stat named {};
  struct stat held {};
  return fstatat(directory, name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 && fstat(file, &held) == 0 &&
         named.st_ino == held.st_ino && named.st_dev == held.st_dev;
}

}  // namespace sidecall
