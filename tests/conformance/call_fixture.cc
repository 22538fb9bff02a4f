#include "call_fixture.h"

#include "call_payload.h"

namespace conformance {

testing::AssertionResult Echoes(const TestService::Stub& stub, int64_t number) {
  PatientContext context;
  EchoMessage request;
  request.set_number(number);
  EchoMessage reply;
  const absl::Status status = stub.Echo(&context, request, &reply);
  if (!status.ok()) return testing::AssertionFailure() << status;
  if (reply.number() != number)
    return testing::AssertionFailure() << reply.number() << " instead of " << number;
  return testing::AssertionSuccess();
}

testing::AssertionResult EchoesPayload(const TestService::Stub& stub, size_t size, uint64_t seed) {
  PatientContext context;
  EchoMessage request;
  *request.mutable_payload() = RandomPayload(size, seed);
  EchoMessage reply;
  const absl::Status status = stub.Echo(&context, request, &reply);
  if (!status.ok()) return testing::AssertionFailure() << size << " bytes: " << status;
  if (reply.payload() != request.payload()) {
    return testing::AssertionFailure()
           << size << " bytes went, " << reply.payload().size() << " others came back";
  }
  return testing::AssertionSuccess();
}

absl::Status CallSleep(const TestService::Stub& stub, const std::string& gate) {
  PatientContext context;
  SleepRequest request;
  request.set_gate(gate);
  EchoMessage reply;
  return stub.Sleep(&context, request, &reply);
}

}  // namespace conformance
