// The services that a server under test serves.
#ifndef SIDECALL_TESTS_CONFORMANCE_CALL_TEST_SERVICE_H_
#define SIDECALL_TESTS_CONFORMANCE_CALL_TEST_SERVICE_H_

#include <memory>
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

 private:
  Gates& gates_;
  TestService::Stub self_;
};

class OtherTestServiceImpl final : public other::TestService::Service {
 public:
  absl::Status Echo(sidecall::ServerContext*, const EchoMessage* request, EchoMessage* reply) override;
};

}  // namespace conformance

#endif  // SIDECALL_TESTS_CONFORMANCE_CALL_TEST_SERVICE_H_
