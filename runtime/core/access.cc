#include "core/access.h"

#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "transport/logging.h"

namespace sidecall {
namespace {

constexpr std::string_view kAll = "*";

std::string_view NameIn(const Service& service, std::string_view method) {
  return method.substr(service.name().size() + 1);
}

// A rule, and whose it is.
struct FoundRule {
  const AccessRule* rule;
  std::string name;
};

std::optional<FoundRule> ServicesRule(const Config& config, std::string_view service) {
  auto entry = config.services.find(service);
  if (entry == config.services.end() || !entry->second.access.has_value()) return std::nullopt;
  return FoundRule{&entry->second.access->rule, entry->second.access->place};
}

std::optional<FoundRule> MethodsRule(const Config& config, std::string_view service,
                                     std::string_view method) {
  auto entry = config.services.find(service);
  if (entry == config.services.end()) return std::nullopt;
  auto found = entry->second.methods.find(method);
  if (found == entry->second.methods.end()) return std::nullopt;
  return FoundRule{&found->second.rule, found->second.place};
}

}  // namespace

bool AccessGuard::Lists(const PeerIdentity& peer) const {
  const auto has = [](const auto& list, auto id) {
    return std::find(list.begin(), list.end(), id) != list.end();
  };
  if (has(rule_.uids, *peer.uid)) return true;
  if (rule_.gids.empty()) return false;
  if (peer.gid.has_value() && has(rule_.gids, *peer.gid)) return true;
  return std::any_of(peer.groups.begin(), peer.groups.end(),
                     [&](gid_t group) { return has(rule_.gids, group); });
}

bool AccessGuard::Admits(const PeerIdentity& peer, std::string_view method) const {
  if (!peer.uid.has_value()) return false;
  if (Lists(peer)) return true;
  if (!rule_.predicate) return false;
  try {
    return rule_.predicate(peer, method);
  } catch (...) {
    LogOfPeer(LogLevel::kError,
              absl::StrCat("the predicate of ", name_, " threw: ", peer.ToString(), " is refused"));
    return false;
  }
}

absl::Status AccessGuard::Refuse(const PeerIdentity& peer, std::string_view method) const {
  const std::string what = absl::StrCat(std::string(method), " is not for ", peer.ToString());
  LogOfPeer(LogLevel::kWarning, absl::StrCat(what, ", by the rule of ", name_));
  return absl::PermissionDeniedError(
      absl::StrCat(what, ". Ask who runs the server for access, or call as a user who has it"));
}

absl::Status AccessRules::Check(const Config& config) const {
  for (const auto& [name, rule] : code_rules_) {
    if (name == kAll || dispatcher_.Find(name) != nullptr || dispatcher_.FindService(name) != nullptr)
      continue;
    const bool is_method = name.find('/') != std::string::npos;
    return absl::InvalidArgumentError(
        absl::StrCat("SetAccess: ", is_method ? std::string(dispatcher_.NotFound(name).message())
                                              : absl::StrCat("this server has no service ", name)));
  }
  for (const auto& [name, service] : config.services) {
    if (dispatcher_.FindService(name) == nullptr) continue;  // Another server's.
    for (const auto& [method, access] : service.methods) {
      const std::string full = absl::StrCat(name, "/", method);
      if (dispatcher_.Find(full) != nullptr) continue;
      return absl::InvalidArgumentError(
          absl::StrCat(access.place, ": ", std::string(dispatcher_.NotFound(full).message())));
    }
  }
  return absl::OkStatus();
}

bool AccessRules::Any(const Config& config) const {
  if (!code_rules_.empty()) return true;
  return std::any_of(config.services.begin(), config.services.end(), [&](const auto& entry) {
    const auto& [name, service] = entry;
    const bool ours = name == kAll || dispatcher_.FindService(name) != nullptr;
    return ours && (service.access.has_value() || !service.methods.empty());
  });
}

void AccessRules::Apply(const Config& config, bool guarded) {
  const std::lock_guard lock(mutex_);
  guards_of_rules_.clear();
  dispatcher_.GuardWith([&](const Service& service, std::string_view method) {
    return GuardOf(config, service, method, guarded);
  });
}

const AccessGuard* AccessRules::GuardOf(const Config& config, const Service& service, std::string_view method,
                                        bool guarded) {
  const auto in_code = [&](std::string_view name) -> std::optional<FoundRule> {
    auto found = code_rules_.find(name);
    if (found == code_rules_.end()) return std::nullopt;
    return FoundRule{&found->second, absl::StrCat("SetAccess(\"", found->first, "\")")};
  };
  std::optional<FoundRule> found = MethodsRule(config, service.name(), NameIn(service, method));
  if (!found) found = in_code(method);
  if (!found) found = ServicesRule(config, service.name());
  if (!found) found = in_code(service.name());
  if (!found) found = ServicesRule(config, kAll);
  if (!found) found = in_code(kAll);
  if (found) return Keep(*found->rule, std::move(found->name));
  return guarded ? Keep(owners_rule_, "what has none, for its own user and root") : nullptr;
}

const AccessGuard* AccessRules::Keep(const AccessRule& rule, std::string name) {
  const AccessGuard*& guard = guards_of_rules_[&rule];
  if (guard == nullptr) guard = &guards_.emplace_back(rule, std::move(name));
  return guard;
}

}  // namespace sidecall
