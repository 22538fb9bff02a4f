#include "registry/resolver.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "registry/registration_file.h"

namespace sidecall {
namespace {

// Servers that come and go without end do not hold a look for ever: the watch tells of what is missed.
constexpr int kMostLooks = 4;

// Of one look.
struct Findings {
  std::vector<ServerInstance> servers;
  std::vector<std::string> notes;  // what was there, and is of no use
  std::vector<std::string> warnings;
  std::vector<std::string> paths;  // whose changes matter
};

std::string QueryText(const ServiceQuery& query) {
  std::string text = query.service;
  if (!query.instance.empty()) absl::StrAppend(&text, "@", query.instance);
  char separator = '?';
  for (const auto& [key, value] : query.labels) {
    absl::StrAppend(&text, std::string(1, std::exchange(separator, '&')), key, "=", value);
  }
  return text;
}

bool IsMeant(const ServiceQuery& query, const sidecall_registry::Registration& content) {
  if (!query.instance.empty() && query.instance != content.instance() && query.instance != content.id()) {
    return false;
  }
  return std::all_of(query.labels.begin(), query.labels.end(), [&](const auto& label) {
    auto found = content.labels().find(label.first);
    return found != content.labels().end() && found->second == label.second;
  });
}

ServerInstance InstanceOf(const FoundRegistration& found, const sidecall_registry::Service& service) {
  const auto& content = found.content;
  const auto& addresses = service.addresses().empty() ? content.addresses() : service.addresses();
  return {.id = content.id(),
          .instance = content.instance(),
          .addresses = {addresses.begin(), addresses.end()},
          .owner = found.owner,
          .pid = content.pid(),
          .generation = content.generation(),
          .weight = std::max(content.weight(), 1u),
          .schema_hash = service.schema_hash(),
          .labels = {content.labels().begin(), content.labels().end()}};
}

void LookAtFile(const ServiceQuery& query, const RegistryDirectory& directory, int folder,
                const std::string& path, const std::string& name, Findings& findings) {
  auto found = ReadRegistration(folder, path, name, directory.owner(), query.service);
  if (!found.ok()) {
    if (absl::IsNotFound(found.status())) return;  // It has just been withdrawn.
    findings.warnings.emplace_back(found.status().message());
    findings.notes.emplace_back(found.status().message());
    return;
  }
  findings.paths.push_back(found->path);
  const auto& content = found->content;
  auto service = std::find_if(content.services().begin(), content.services().end(),
                              [&](const auto& each) { return each.name() == query.service; });
  if (service == content.services().end()) {
    findings.notes.push_back(absl::StrCat(found->path, " is registered for other services"));
  } else if (!found->alive) {
    findings.notes.push_back(absl::StrCat("its registration is stale (pid ", content.pid(), " is gone)"));
  } else if (!IsMeant(query, content)) {
    findings.notes.push_back(
        absl::StrCat("the server of pid ", content.pid(), " has another instance name, or other labels"));
  } else {
    findings.servers.push_back(InstanceOf(*found, *service));
  }
}

void LookAtDirectory(const ServiceQuery& query, const DirectoryToSearch& where, Findings& findings) {
  auto directory = RegistryDirectory::Open(where.path, where.owners);
  if (!directory.ok()) {
    if (!absl::IsNotFound(directory.status())) findings.notes.emplace_back(directory.status().message());
    return;
  }
  const std::string services = where.path + "/services";
  const std::string path = absl::StrCat(services, "/", query.service);
  auto folder = directory->OpenSub("services/" + query.service);
  if (!folder.ok()) {
    // Until it is made.
    findings.paths.push_back(directory->OpenSub("services").ok() ? services : where.path);
    if (!absl::IsNotFound(folder.status())) findings.notes.emplace_back(folder.status().message());
    return;
  }
  findings.paths.push_back(path);
  for (const std::string& name : NamesIn(folder->get())) {
    LookAtFile(query, *directory, folder->get(), path, name, findings);
  }
}

Findings LookAt(const ServiceQuery& query, const std::vector<DirectoryToSearch>& directories) {
  Findings findings;
  for (const DirectoryToSearch& where : directories) LookAtDirectory(query, where, findings);
  return findings;
}

Resolution Conclude(const ServiceQuery& query, const std::vector<DirectoryToSearch>& directories,
                    Findings findings) {
  std::stable_sort(findings.servers.begin(), findings.servers.end(),
                   [](const auto& a, const auto& b) { return a.generation > b.generation; });
  Resolution resolution{.servers = std::move(findings.servers),
                        .why_none = absl::OkStatus(),
                        .warnings = std::move(findings.warnings)};
  if (!resolution.servers.empty()) return resolution;
  const std::string none = absl::StrCat("no live server for ", QueryText(query));
  if (findings.notes.empty()) {
    const std::string searched = absl::StrJoin(
        directories, ", ", [](std::string* out, const auto& directory) { out->append(directory.path); });
    resolution.why_none =
        absl::UnavailableError(absl::StrCat(none, ": none is registered in ", searched, ". Start it"));
  } else {
    resolution.why_none = absl::UnavailableError(
        absl::StrCat(none, ": ", absl::StrJoin(findings.notes, "; "), ". Start it, or run: sidecall clean"));
  }
  return resolution;
}

}  // namespace

Resolution Resolve(const ServiceQuery& query, const std::vector<DirectoryToSearch>& directories) {
  return Conclude(query, directories, LookAt(query, directories));
}

Resolver::Resolver(ServiceQuery query, std::vector<DirectoryToSearch> directories,
                   std::function<bool()> changed)
    : query_(std::move(query)), directories_(std::move(directories)), changed_(std::move(changed)) {}

Resolver::~Resolver() {
  RegistryWatch::Get().Forget(*this);
}

Resolution Resolver::Look() {
  Findings findings;
  for (int look = 0; look < kMostLooks; look++) {
    findings = LookAt(query_, directories_);
    // What was there before it was watched may have changed in between.
    if (!RegistryWatch::Get().Watch(*this, findings.paths)) break;
  }
  return Conclude(query_, directories_, std::move(findings));
}

}  // namespace sidecall
