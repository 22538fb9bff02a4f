// The service that the interop cases call.
#ifndef SIDECALL_TESTS_INTEROP_INTEROP_SERVICE_H_
#define SIDECALL_TESTS_INTEROP_INTEROP_SERVICE_H_

#include <cstddef>

#include "interop.sidecall.h"

namespace sidecall_interop {

// The metadata that UnaryCall and FullDuplexCall send back, as initial and as trailing metadata.
inline constexpr char kEchoInitial[] = "x-grpc-test-echo-initial";
inline constexpr char kEchoTrailing[] = "x-grpc-test-echo-trailing-bin";

// A payload of `size` bytes, each of which can be checked: the same for the same size, on either side.
Payload PayloadOf(size_t size);

class TestServiceImpl final : public TestService::Service {
 public:
  using RequestReader = sidecall::ServerReader<StreamingInputCallRequest>;
  using ResponseWriter = sidecall::ServerWriter<StreamingOutputCallResponse>;
  using Duplex = sidecall::ServerReaderWriter<StreamingOutputCallResponse, StreamingOutputCallRequest>;

  absl::Status EmptyCall(sidecall::ServerContext*, const Empty*, Empty*) override;
  absl::Status UnaryCall(sidecall::ServerContext* context, const SimpleRequest* request,
                         SimpleResponse* response) override;
  absl::Status StreamingOutputCall(sidecall::ServerContext* context,
                                   const StreamingOutputCallRequest* request,
                                   ResponseWriter* writer) override;
  absl::Status StreamingInputCall(sidecall::ServerContext*, RequestReader* reader,
                                  StreamingInputCallResponse* response) override;
  absl::Status FullDuplexCall(sidecall::ServerContext* context, Duplex* stream) override;
  absl::Status HalfDuplexCall(sidecall::ServerContext* context, Duplex* stream) override;
};

}  // namespace sidecall_interop

#endif  // SIDECALL_TESTS_INTEROP_INTEROP_SERVICE_H_
