// Service: the base of every generated Service class: a name, and a table of methods with their handlers.
//
// Thread-safety: immutable once constructed. Handlers of one service run on many threads at once.
#ifndef SIDECALL_SERVICE_H_
#define SIDECALL_SERVICE_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "sidecall/internal/method.h"

namespace sidecall {

namespace internal {
class ServerCall;

// What its .proto says of a service.
struct ServiceTraits {
  uint64_t schema_hash = 0;
  std::string_view transports;  // schemes, the best first: "shm,unix"; empty where none are named
};
}  // namespace internal

class Service {
 public:
  // Serves `call` by calling the method of `service` that it stands for.
  using Handler = void (*)(Service& service, internal::ServerCall& call);
  struct MethodEntry {
    const internal::Method* method;
    Handler handler;
  };

  virtual ~Service() = default;
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // "hello.Greeter".
  std::string_view name() const { return name_; }
  std::span<const MethodEntry> methods() const { return methods_; }
  const internal::ServiceTraits& traits() const { return traits_; }

 protected:
  // All must outlive the service: generated code passes static tables.
  Service(std::string_view name, std::span<const MethodEntry> methods,
          const internal::ServiceTraits& traits = {})
      : name_(name), methods_(methods), traits_(traits) {}

 private:
  std::string_view name_;
  std::span<const MethodEntry> methods_;
  internal::ServiceTraits traits_;
};

}  // namespace sidecall

#endif  // SIDECALL_SERVICE_H_
