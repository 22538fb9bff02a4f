#include "transports/mqueue/queue_names.h"

#include <dirent.h>
#include <mqueue.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "transport/connection_names.h"
#include "transport/owner_lock.h"
#include "transport/path_lock.h"

namespace sidecall {
namespace {

constexpr std::string_view kDirectory = "/dev/shm/";
constexpr std::string_view kPrefix = "sidecall-mqueue.";
constexpr std::string_view kOwnerSuffix = ".owner";
// Of a file's name, less what is put before and behind it; of a queue's it is as long.
constexpr size_t kLongestName = 150;

std::vector<std::string> NamesOfServers() {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> opened(opendir(kDirectory.data()), closedir);
  while (const dirent* entry = opened == nullptr ? nullptr : readdir(opened.get())) {
    std::string_view file = entry->d_name;
    if (!file.starts_with(kPrefix) || !file.ends_with(kOwnerSuffix)) continue;
    file.remove_prefix(kPrefix.size());
    file.remove_suffix(kOwnerSuffix.size());
    names.emplace_back(file);
  }
  return names;
}

}  // namespace

absl::StatusOr<QueueNames> QueueNames::Of(const Address& address) {
  const std::string_view name = address.rest;
  const bool valid = name.size() > 1 && name.size() <= kLongestName && name[0] == '/' &&
                     name.find('/', 1) == std::string_view::npos && name != "/." && name != "/..";
  if (!valid) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", address.text, "': a message queue's name is a slash and up to ", kLongestName - 1,
                     " other characters, none of them a slash. Write it as mqueue:/name"));
  }
  return QueueNames{.listening = address.rest,
                    .files = std::string(kDirectory) + std::string(kPrefix) + address.rest.substr(1)};
}

void QueueNames::RemoveConnection(std::string_view connection) const {
  mq_unlink(ToServer(connection).c_str());
  mq_unlink(ToClient(connection).c_str());
  // Last: by it whoever comes next knows of the others.
  unlink(LifeLine(connection).c_str());
  unlink((LifeLine(connection) + ".new").c_str());
}

void QueueNames::RemoveDeadConnections() const {
  for (const std::string& connection : ConnectionsBeside(files)) {
    if (IsLeftBehind(LifeLine(connection))) RemoveConnection(connection);
  }
}

void RemoveDeadServers() {
  for (const std::string& name : NamesOfServers()) {
    Address address;
    address.rest = "/" + name;
    auto names = QueueNames::Of(address);
    if (!names.ok() || !absl::IsUnavailable(OwnerOf(names->OwnerFile(), S_IFREG).status())) continue;
    auto lock = PathLock::Take(names->files);
    // Another may have taken it over meanwhile.
    if (!lock.ok() || !absl::IsUnavailable(OwnerOf(names->OwnerFile(), S_IFREG).status())) continue;
    names->RemoveDeadConnections();
    mq_unlink(names->listening.c_str());
    unlink(names->OwnerFile().c_str());
  }
}

}  // namespace sidecall
