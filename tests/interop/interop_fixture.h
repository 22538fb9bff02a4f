// InteropTest: the fixture of gRPC's interop cases, each a test by gRPC's own name.
#ifndef SIDECALL_TESTS_INTEROP_INTEROP_FIXTURE_H_
#define SIDECALL_TESTS_INTEROP_INTEROP_FIXTURE_H_

#include <gtest/gtest.h>

#include <initializer_list>
#include <memory>
#include <string>

#include "call_setup.h"
#include "interop_service.h"

namespace sidecall_interop {

using conformance::HasCode;
using conformance::PatientContext;
using conformance::Says;
using conformance::Scaled;

// Both ends of a bidirectional call, as a client sees them.
using ClientDuplex = sidecall::ClientReaderWriter<StreamingOutputCallRequest, StreamingOutputCallResponse>;

class InteropTest : public conformance::ServerTest {
 protected:
  void SetUp() override { StartServer(); }
  TestService::Stub NewStub() const { return TestService::Stub(NewChannel()); }
};

// An empty call works.
inline testing::AssertionResult CallsEmpty(const TestService::Stub& stub) {
  PatientContext context;
  Empty response;
  const absl::Status status = stub.EmptyCall(&context, Empty(), &response);
  return status.ok() ? testing::AssertionSuccess() : testing::AssertionFailure() << status;
}

// What large_unary sends; its answer has 314,159 bytes.
inline SimpleRequest LargeRequest() {
  SimpleRequest request;
  request.set_response_size(314159);
  *request.mutable_payload() = PayloadOf(271828);
  return request;
}

// `request` gets its large answer, whole.
inline testing::AssertionResult CallsLarge(const TestService::Stub& stub, const SimpleRequest& request) {
  PatientContext context;
  SimpleResponse response;
  const absl::Status status = stub.UnaryCall(&context, request, &response);
  if (!status.ok()) return testing::AssertionFailure() << status;
  if (response.payload().body() == PayloadOf(314159).body()) return testing::AssertionSuccess();
  return testing::AssertionFailure() << response.payload().body().size() << " other bytes came back";
}

// Wants a response of each of `sizes`, and has a payload of `size` bytes itself.
inline StreamingOutputCallRequest RequestOf(std::initializer_list<int32_t> sizes, size_t size = 0) {
  StreamingOutputCallRequest request;
  for (const int32_t wanted : sizes) request.add_response_parameters()->set_size(wanted);
  if (size > 0) *request.mutable_payload() = PayloadOf(size);
  return request;
}

// The next response of `reader` is there, of `size` bytes.
template <typename Reader>
testing::AssertionResult ReadsResponse(Reader& reader, size_t size) {
  StreamingOutputCallResponse response;
  if (!reader.Read(&response)) return testing::AssertionFailure() << "the stream has ended";
  if (response.payload().body() == PayloadOf(size).body()) return testing::AssertionSuccess();
  return testing::AssertionFailure() << response.payload().body().size() << " other bytes, not " << size;
}

template <typename Reader>
testing::AssertionResult HasEnded(Reader& reader) {
  StreamingOutputCallResponse response;
  if (!reader.Read(&response)) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "one more response of " << response.payload().body().size()
                                     << " bytes";
}

}  // namespace sidecall_interop

#endif  // SIDECALL_TESTS_INTEROP_INTEROP_FIXTURE_H_
