// What the registry tells of services and their live servers.
#ifndef SIDECALL_TOOLS_LIVE_SERVICES_H_
#define SIDECALL_TOOLS_LIVE_SERVICES_H_

#include <string>
#include <vector>

#include "registry/registry_directory.h"
#include "registry/resolver.h"

namespace sidecall::tools {

// Of every service with a directory of its own in the registry, sorted; some have no live server. What cannot
// be read is told on stderr.
std::vector<std::string> ServiceNames(const std::vector<DirectoryToSearch>& directories);

// Its live servers, or why there are none. REQUIRES: `service` may be the name of one.
Resolution LiveServers(const std::string& service, const std::vector<DirectoryToSearch>& directories);

}  // namespace sidecall::tools

#endif  // SIDECALL_TOOLS_LIVE_SERVICES_H_
