// Resolver: the live servers of one service, as the registry directories tell now.
#ifndef SIDECALL_REGISTRY_RESOLVER_H_
#define SIDECALL_REGISTRY_RESOLVER_H_

#include <sys/types.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "registry/registry_directory.h"
#include "registry/registry_watch.h"

namespace sidecall {

// Which servers of a service are meant: "sidecall:hello.Greeter@left?zone=a".
struct ServiceQuery {
  std::string service;
  std::string instance;                       // empty: any
  std::map<std::string, std::string> labels;  // all of which a server must have
};

struct ServerInstance {
  std::string id;  // of its registration: no two are alike
  std::string instance;
  std::vector<std::string> addresses;  // of the service, the best first
  uid_t owner = 0;
  int32_t pid = 0;  // a hint
  uint64_t generation = 0;
  uint32_t weight = 1;
  uint64_t schema_hash = 0;
  std::map<std::string, std::string> labels;
};

struct Resolution {
  std::vector<ServerInstance> servers;  // live; the newest first
  absl::Status why_none;                // where there is none: UNAVAILABLE, with what is there instead
  std::vector<std::string> warnings;    // of what is no registration, for the log
};

// Looks once.
Resolution Resolve(const ServiceQuery& query, const std::vector<DirectoryToSearch>& directories);

// Looks, and tells of changes.
class Resolver final : private RegistryWatch::Watcher {
 public:
  // `changed` is called on the watch's thread when it is time for another look. True: again in a second.
  Resolver(ServiceQuery query, std::vector<DirectoryToSearch> directories, std::function<bool()> changed);
  ~Resolver();

  // Looks now, and watches from then on what it has seen. One thread at a time.
  Resolution Look();
  const ServiceQuery& query() const { return query_; }

 private:
  bool OnRegistryChange() override { return changed_(); }

  const ServiceQuery query_;
  const std::vector<DirectoryToSearch> directories_;
  const std::function<bool()> changed_;
};

}  // namespace sidecall

#endif  // SIDECALL_REGISTRY_RESOLVER_H_
