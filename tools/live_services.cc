#include "live_services.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "registry/registration_file.h"

namespace sidecall::tools {

std::vector<std::string> ServiceNames(const std::vector<DirectoryToSearch>& directories) {
  std::vector<std::string> names;
  for (const DirectoryToSearch& where : directories) {
    auto directory = RegistryDirectory::Open(where.path, where.owners);
    if (!directory.ok()) {
      if (!absl::IsNotFound(directory.status())) {
        std::fprintf(stderr, "sidecall: %s\n", std::string(directory.status().message()).c_str());
      }
      continue;
    }
    auto services = directory->OpenSub("services");
    if (!services.ok()) continue;
    for (std::string& name : NamesIn(services->get())) names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

Resolution LiveServers(const std::string& service, const std::vector<DirectoryToSearch>& directories) {
  return Resolve({.service = service, .instance = "", .labels = {}}, directories);
}

}  // namespace sidecall::tools
