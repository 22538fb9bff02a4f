#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "arguments.h"
#include "commands.h"
#include "live_services.h"
#include "reflected_types.h"
#include "sidecall/channel.h"

namespace sidecall::tools {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::ServiceDescriptor;

// A server that does not answer, as one that is stopped, does not keep those that would.
constexpr absl::Duration kPatience = absl::Seconds(5);

// One server, reached as its clients would reach it.
struct AskedServer {
  AskedServer(const std::string& service, ServerInstance instance)
      : server(std::move(instance)),
        channel(CreateChannel(absl::StrCat("sidecall:", service, "@", server.id))),
        types(channel, absl::Now() + kPatience) {}

  std::string Name() const {
    std::string name = absl::StrCat("pid ", server.pid, " of uid ", server.owner);
    if (!server.instance.empty()) absl::StrAppend(&name, ", ", server.instance);
    return name;
  }

  const ServerInstance server;
  const std::shared_ptr<Channel> channel;
  ReflectedTypes types;
};

template <typename AnyDescriptor>
std::string SourceOf(const AnyDescriptor& descriptor) {
  return absl::StrCat("// ", descriptor.full_name(), ", of ", descriptor.file()->name(), "\n",
                      descriptor.DebugString());
}

std::string SourceOf(const google::protobuf::EnumValueDescriptor& value) {
  return absl::StrCat("// ", value.full_name(), ", of ", value.file()->name(), "\n", value.DebugString());
}

// The source of whatever `symbol` is; empty where the pool does not know it.
std::string SourceIn(const DescriptorPool& pool, const std::string& symbol) {
  if (const auto* found = pool.FindServiceByName(symbol)) return SourceOf(*found);
  if (const auto* found = pool.FindMethodByName(symbol)) return SourceOf(*found);
  if (const auto* found = pool.FindMessageTypeByName(symbol)) return SourceOf(*found);
  if (const auto* found = pool.FindEnumTypeByName(symbol)) return SourceOf(*found);
  if (const auto* found = pool.FindFieldByName(symbol)) return SourceOf(*found);
  if (const auto* found = pool.FindExtensionByName(symbol)) return SourceOf(*found);
  if (const auto* found = pool.FindOneofByName(symbol)) return SourceOf(*found);
  if (const auto* found = pool.FindEnumValueByName(symbol)) return SourceOf(*found);
  return "";
}

void Print(const std::string& text) {
  std::fputs(Printable(text).c_str(), stdout);
}

// Comment lines: where the server listens, and which way this client takes to it, and why.
void PrintServer(AskedServer& asked, uint64_t schema_hash) {
  const ServerInstance& server = asked.server;
  (void)asked.types.ListServices();
  std::string text =
      absl::StrCat("// Served by ", asked.Name(), ", at ", absl::StrJoin(server.addresses, " "));
  if (server.schema_hash != schema_hash) absl::StrAppend(&text, ", built from another .proto");
  absl::StrAppend(&text, "\n");
  const std::vector<std::string> connections = asked.channel->Connections();
  for (const std::string& line : connections) absl::StrAppend(&text, "//   ", line, "\n");
  if (connections.empty()) {
    absl::StrAppend(&text, "//   not connected: ", asked.types.status().message(), "\n");
  }
  Print(text);
}

std::string MethodsOf(const ServiceDescriptor& service) {
  std::vector<std::string> names;
  for (int i = 0; i < service.method_count(); i++) names.push_back(service.method(i)->name());
  return absl::StrJoin(names, ", ");
}

// Why a server of `service` has no source of `symbol`, which is that or below it.
absl::Status WhyUnknown(AskedServer& asked, const std::string& service, const std::string& symbol) {
  const ServiceDescriptor* known = nullptr;
  if (asked.types.status().ok()) known = asked.types.pool().FindServiceByName(service);
  if (!asked.types.status().ok()) return asked.types.status();
  if (known == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("the server of ", asked.Name(), " serves ", service, ", ", kNotReflected));
  }
  return absl::NotFoundError(absl::StrCat(service, " has no method ", symbol.substr(service.size() + 1),
                                          ". It has: ", MethodsOf(*known)));
}

// `symbol` is the service itself or, below it, one of its methods.
absl::Status DescribeOfService(const std::string& service, const std::string& symbol,
                               const std::vector<DirectoryToSearch>& directories) {
  Resolution resolution = LiveServers(service, directories);
  if (resolution.servers.empty()) return resolution.why_none;
  std::vector<std::unique_ptr<AskedServer>> asked;  // in their turn: each has its own time to answer
  const auto ask_next = [&]() -> AskedServer& {
    asked.push_back(std::make_unique<AskedServer>(service, std::move(resolution.servers[asked.size()])));
    return *asked.back();
  };
  absl::Status last;
  while (asked.size() < resolution.servers.size()) {
    AskedServer& next = ask_next();
    const std::string source = SourceIn(next.types.pool(), symbol);
    if (source.empty()) {
      last = WhyUnknown(next, service, symbol);
      continue;
    }
    if (symbol == service) {
      const uint64_t schema_hash = next.server.schema_hash;
      for (const auto& each : asked) PrintServer(*each, schema_hash);
      while (asked.size() < resolution.servers.size()) PrintServer(ask_next(), schema_hash);
    }
    Print(source);
    return absl::OkStatus();
  }
  return last;
}

// A symbol of which the registry does not tell who knows it: every live server is asked until one does.
absl::Status DescribeOfAny(const std::string& symbol, const std::vector<std::string>& services,
                           const std::vector<DirectoryToSearch>& directories) {
  std::set<std::string> ids;
  std::vector<std::string> in_vain;
  for (const std::string& service : services) {
    for (ServerInstance& server : LiveServers(service, directories).servers) {
      if (!ids.insert(server.id).second) continue;
      AskedServer asked(service, std::move(server));
      const std::string source = SourceIn(asked.types.pool(), symbol);
      if (!source.empty()) {
        Print(source);
        return absl::OkStatus();
      }
      const absl::Status& status = asked.types.status();
      in_vain.push_back(status.ok() ? absl::StrCat(service, " (", asked.Name(), ")")
                                    : absl::StrCat(service, " (", asked.Name(), ": ", status.message(), ")"));
    }
  }
  if (in_vain.empty()) {
    return absl::UnavailableError(absl::StrCat("no server is live that could know ", symbol,
                                               ". Start one; sidecall list names those there are"));
  }
  return absl::NotFoundError(absl::StrCat("no live server knows ", symbol, ". Asked were those of ",
                                          absl::StrJoin(in_vain, ", "), ". Write it as package.Name"));
}

absl::Status DescribeAll(const std::vector<std::string>& services,
                         const std::vector<DirectoryToSearch>& directories) {
  absl::Status first_failure;
  bool any = false;
  for (const std::string& service : services) {
    if (LiveServers(service, directories).servers.empty()) continue;
    if (std::exchange(any, true)) std::puts("");
    first_failure.Update(DescribeOfService(service, service, directories));
  }
  if (!any) return absl::UnavailableError("no server is live. Start one");
  return first_failure;
}

}  // namespace

absl::Status Describe(const std::string& text) {
  const std::vector<DirectoryToSearch> directories = DirectoriesToSearch({});
  const std::vector<std::string> services = ServiceNames(directories);
  if (text.empty()) return DescribeAll(services, directories);
  std::string symbol = absl::StrReplaceAll(text, {{"/", "."}});
  if (symbol.starts_with('.')) symbol.erase(0, 1);
  const size_t dot = symbol.rfind('.');
  const std::string parent = dot == std::string::npos ? "" : symbol.substr(0, dot);
  for (const std::string& service : {symbol, parent}) {
    if (!std::binary_search(services.begin(), services.end(), service)) continue;
    return DescribeOfService(service, symbol, directories);
  }
  return DescribeOfAny(symbol, services, directories);
}

}  // namespace sidecall::tools
