#include "core/dispatcher.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "core/shown.h"

namespace sidecall {
namespace {

// Levenshtein's distance.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); i++) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); j++) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row[b.size()];
}

// The names nearest to `wanted`, at most three, none that differs in more than half.
std::string Nearest(std::string_view wanted, const std::vector<std::string_view>& names) {
  constexpr size_t kLongestCompared = 256;  // A peer chose the name: its cost is bounded.
  std::vector<std::pair<size_t, std::string_view>> ranked;
  wanted = wanted.substr(0, kLongestCompared);
  for (std::string_view name : names) {
    const size_t distance = EditDistance(wanted, name.substr(0, kLongestCompared));
    if (distance <= std::max<size_t>(2, wanted.size() / 2)) ranked.emplace_back(distance, name);
  }
  std::sort(ranked.begin(), ranked.end());
  if (ranked.size() > 3) ranked.resize(3);
  std::string text;
  for (const auto& [distance, name] : ranked)
    absl::StrAppend(&text, text.empty() ? "" : ", ", std::string(name));
  return text;
}

std::string NearestOrAll(std::string_view wanted, const std::vector<std::string_view>& names) {
  const std::string nearest = Nearest(wanted, names);
  if (!nearest.empty()) return absl::StrCat(" Nearest: ", nearest);
  std::string all;
  for (size_t i = 0; i < names.size() && i < 8; i++) {
    absl::StrAppend(&all, all.empty() ? "" : ", ", std::string(names[i]));
  }
  return all.empty() ? " It has none" : absl::StrCat(" There are: ", all, names.size() > 8 ? ", ..." : "");
}

}  // namespace

absl::Status Dispatcher::Add(Service* service) {
  if (FindService(service->name()) != nullptr) {
    return absl::AlreadyExistsError(
        absl::StrCat("service ", std::string(service->name()),
                     " is registered twice. One server serves one object per service"));
  }
  services_.push_back(service);
  AddMethods(*service, nullptr);
  return absl::OkStatus();
}

void Dispatcher::AddBuiltIn(Service* service, Service::Handler handler) {
  built_in_.push_back(service);
  AddMethods(*service, handler);
}

void Dispatcher::AddMethods(Service& service, Service::Handler handler) {
  for (const Service::MethodEntry& method : service.methods()) {
    Entry& entry = entries_[method.method->full_name()];
    entry.service = &service;
    entry.handler = handler != nullptr ? handler : method.handler;
    entry.method = method.method;
    entry.built_in = handler != nullptr;
  }
}

const Dispatcher::Entry* Dispatcher::Find(std::string_view full_name) const {
  auto found = entries_.find(full_name);
  return found == entries_.end() ? nullptr : &found->second;
}

const Service* Dispatcher::FindService(std::string_view name) const {
  for (const std::vector<Service*>* services : {&services_, &built_in_}) {
    auto found = std::find_if(services->begin(), services->end(),
                              [name](const Service* service) { return service->name() == name; });
    if (found != services->end()) return *found;
  }
  return nullptr;
}

void Dispatcher::GuardWith(
    absl::FunctionRef<const AccessGuard*(const Service& service, std::string_view method)> guard) {
  for (auto& [name, entry] : entries_)
    entry.guard.store(guard(*entry.service, name), std::memory_order_release);
}

absl::Status Dispatcher::NotFound(std::string_view full_name) const {
  const size_t slash = full_name.rfind('/');
  const std::string_view service_name = full_name.substr(0, slash);
  const std::string_view method_name = slash == std::string_view::npos ? "" : full_name.substr(slash + 1);
  for (const std::vector<Service*>* services : {&services_, &built_in_}) {
    for (const Service* service : *services) {
      if (service->name() != service_name) continue;
      std::vector<std::string_view> methods;
      for (const Service::MethodEntry& method : service->methods()) {
        methods.push_back(method.method->full_name().substr(service_name.size() + 1));
      }
      return absl::UnimplementedError(absl::StrCat(Shown(service_name), " has no method ", Shown(method_name),
                                                   ".", NearestOrAll(method_name, methods)));
    }
  }
  // Nobody who mistyped a name meant a built-in one.
  std::vector<std::string_view> names;
  for (const Service* service : services_) names.push_back(service->name());
  return absl::UnimplementedError(absl::StrCat("this server has no service ", Shown(service_name), ".",
                                               NearestOrAll(service_name, names)));
}

}  // namespace sidecall
