#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "commands.h"
#include "live_services.h"
#include "registry/registration_file.h"

namespace sidecall::tools {
namespace {

using Row = std::vector<std::string>;

// In columns as wide as they need to be, but for the last.
void Print(const std::vector<Row>& rows) {
  std::vector<size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); i++) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const Row& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); i++) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - row[i].size() + 2, ' ');
    }
    std::puts(line.c_str());
  }
}

std::string LabelsOf(const ServerInstance& server) {
  return absl::StrJoin(server.labels, ",", absl::PairFormatter("="));
}

}  // namespace

absl::Status List(const std::string& service, bool legend) {
  const std::vector<DirectoryToSearch> directories = DirectoriesToSearch({});
  std::vector<Row> rows;
  if (service.empty()) {
    if (legend) rows.push_back({"SERVICE", "SERVERS"});
    for (const std::string& name : ServiceNames(directories)) {
      const size_t live = LiveServers(name, directories).servers.size();
      if (live > 0) rows.push_back({name, absl::StrCat(live)});
    }
    Print(rows);
    return absl::OkStatus();
  }
  absl::Status valid = CheckServiceName(service);
  if (!valid.ok()) return valid;
  const Resolution found = LiveServers(service, directories);
  if (found.servers.empty()) return found.why_none;
  if (legend) rows.push_back({"PID", "UID", "INSTANCE", "WEIGHT", "LABELS", "ADDRESSES"});
  for (const ServerInstance& server : found.servers) {
    rows.push_back({absl::StrCat(server.pid), absl::StrCat(server.owner),
                    server.instance.empty() ? server.id : server.instance, absl::StrCat(server.weight),
                    server.labels.empty() ? "-" : LabelsOf(server), absl::StrJoin(server.addresses, " ")});
  }
  Print(rows);
  return absl::OkStatus();
}

}  // namespace sidecall::tools
