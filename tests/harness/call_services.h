// Services: what a server under test serves. Each suite of tests has its own, and defines MakeServices for
// all of its executables: the server in another process is the same executable.
#ifndef SIDECALL_TESTS_HARNESS_CALL_SERVICES_H_
#define SIDECALL_TESTS_HARNESS_CALL_SERVICES_H_

#include <memory>
#include <string>

#include "call_gates.h"
#include "sidecall/server.h"

namespace conformance {

class Services {
 public:
  virtual ~Services() = default;
  virtual void RegisterWith(sidecall::ServerBuilder& builder) = 0;
};

// `own_address` is where the server listens, for handlers that call it. `gates` must outlive the services.
std::unique_ptr<Services> MakeServices(const std::string& own_address, Gates& gates);

}  // namespace conformance

#endif  // SIDECALL_TESTS_HARNESS_CALL_SERVICES_H_
