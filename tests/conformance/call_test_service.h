// The services that a server under test serves.
#ifndef SIDECALL_TESTS_CONFORMANCE_CALL_TEST_SERVICE_H_
#define SIDECALL_TESTS_CONFORMANCE_CALL_TEST_SERVICE_H_

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "call_gates.h"
#include "testing.sidecall.h"
#include "testing_other.sidecall.h"

namespace conformance {

class TestServiceImpl final : public TestService::Service {
 public:
  // `own_address` is where CallSelf calls. `gates` must outlive the service.
  TestServiceImpl(const std::string& own_address, Gates& gates);

  absl::Status Empty(sidecall::ServerContext*, const EmptyMessage*, EmptyMessage*) override;
  absl::Status Echo(sidecall::ServerContext*, const EchoMessage* request, EchoMessage* reply) override;
  absl::Status Fail(sidecall::ServerContext* context, const FailRequest* request,
                    EchoMessage* reply) override;
  absl::Status EchoMetadata(sidecall::ServerContext* context, const FailRequest* request,
                            MetadataReply* reply) override;
  absl::Status Sleep(sidecall::ServerContext* context, const SleepRequest* request,
                     EchoMessage* reply) override;
  absl::Status PeerIdentity(sidecall::ServerContext* context, const EmptyMessage*,
                            IdentityReply* reply) override;
  absl::Status CallSelf(sidecall::ServerContext*, const CallSelfRequest* request,
                        EchoMessage* reply) override;
  absl::Status ForwardToNobody(sidecall::ServerContext*, const EmptyMessage* request,
                               EmptyMessage* reply) override;
  absl::Status Throw(sidecall::ServerContext*, const ThrowRequest* request, EmptyMessage*) override;
  absl::Status TakeLarge(sidecall::ServerContext*, const EchoMessage* request, LargeReply* reply) override;
  absl::Status ReturnLarge(sidecall::ServerContext* context, const LargeRequest* request,
                           EchoMessage* reply) override;
  absl::Status WhoServes(sidecall::ServerContext*, const EmptyMessage*, WhoReply* reply) override;
  absl::Status TellDeadline(sidecall::ServerContext* context, const EmptyMessage*,
                            DeadlineReply* reply) override;

  absl::Status ClientStream(sidecall::ServerContext* context, sidecall::ServerReader<EchoMessage>* reader,
                            StreamSummary* reply) override;
  absl::Status ServerStream(sidecall::ServerContext* context, const StreamRequest* request,
                            sidecall::ServerWriter<EchoMessage>* writer) override;
  absl::Status BidirectionalStream(sidecall::ServerContext* context,
                                   sidecall::ServerReaderWriter<EchoMessage, EchoMessage>* stream) override;
  absl::Status Progress(sidecall::ServerContext*, const StreamRequest* request,
                        StreamSummary* reply) override;
  absl::Status SleepNested(sidecall::ServerContext* context, const SleepRequest* request,
                           EchoMessage* reply) override;
  absl::Status Statistics(sidecall::ServerContext*, const StatisticsRequest* request,
                          StatisticsReply* reply) override;
  absl::Status Trace(sidecall::ServerContext* context, const TraceRequest* request,
                     TraceReply* reply) override;
  absl::Status SetTraceHook(sidecall::ServerContext*, const TraceHookRequest* request,
                            EmptyMessage*) override;
  absl::Status Handlers(sidecall::ServerContext*, const EmptyMessage*, HandlersReply* reply) override;

 private:
  Gates& gates_;
  TestService::Stub self_;
  std::mutex written_mutex_;
  std::map<std::string, uint64_t> written_;  // by ServerStream, for each name
};

class OtherTestServiceImpl final : public other::TestService::Service {
 public:
  absl::Status Echo(sidecall::ServerContext*, const EchoMessage* request, EchoMessage* reply) override;
};

}  // namespace conformance

#endif  // SIDECALL_TESTS_CONFORMANCE_CALL_TEST_SERVICE_H_
