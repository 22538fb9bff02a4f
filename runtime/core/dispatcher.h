// Dispatcher: the methods that a server serves, by name. Connections find them by number after the first
// call.
#ifndef SIDECALL_CORE_DISPATCHER_H_
#define SIDECALL_CORE_DISPATCHER_H_

#include <atomic>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "sidecall/service.h"

namespace sidecall {

class AccessGuard;

// Immutable once the server runs, but for the guards; any thread.
class Dispatcher {
 public:
  struct Entry {
    Service* service = nullptr;
    Service::Handler handler = nullptr;
    const internal::Method* method = nullptr;
    bool built_in = false;
    std::atomic<const AccessGuard*> guard{nullptr};  // null: whoever can connect may call
  };

  // ALREADY_EXISTS where a service of that name is there. `service` must outlive the dispatcher.
  absl::Status Add(Service* service);
  // One of the runtime's own, whose calls `handler` serves. Nobody is told of it who asks for another.
  // REQUIRES: no service of that name is there.
  void AddBuiltIn(Service* service, Service::Handler handler);

  // Null where there is no such method.
  const Entry* Find(std::string_view full_name) const;
  // Null where there is no such service, built in or not.
  const Service* FindService(std::string_view name) const;
  // Sets the guard of each method; what it gives must outlive the dispatcher.
  void GuardWith(
      absl::FunctionRef<const AccessGuard*(const Service& service, std::string_view method)> guard);
  // UNIMPLEMENTED: says whether the service or the method is missing, and what comes nearest.
  absl::Status NotFound(std::string_view full_name) const;

 private:
  // `handler`: of all its methods; null: each has its own.
  void AddMethods(Service& service, Service::Handler handler);

  std::vector<Service*> services_;
  std::vector<Service*> built_in_;
  std::unordered_map<std::string_view, Entry> entries_;
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_DISPATCHER_H_
