// Dispatcher: the methods that a server serves, by name. Connections find them by number after the first
// call.
#ifndef SIDECALL_CORE_DISPATCHER_H_
#define SIDECALL_CORE_DISPATCHER_H_

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "sidecall/service.h"

namespace sidecall {

// Immutable once the server runs; any thread.
class Dispatcher {
 public:
  struct Entry {
    Service* service = nullptr;
    Service::Handler handler = nullptr;
    const internal::Method* method = nullptr;
  };

  // ALREADY_EXISTS where a service of that name is there. `service` must outlive the dispatcher.
  absl::Status Add(Service* service);

  // Null where there is no such method.
  const Entry* Find(std::string_view full_name) const;
  // UNIMPLEMENTED: says whether the service or the method is missing, and what comes nearest.
  absl::Status NotFound(std::string_view full_name) const;

  bool empty() const { return services_.empty(); }

 private:
  std::vector<Service*> services_;
  std::unordered_map<std::string_view, Entry> entries_;
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_DISPATCHER_H_
