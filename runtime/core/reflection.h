// ReflectionService: tells clients what a server's services look like, as gRPC's server reflection does
// (docs/reflection.md). Every server has one, unless ServerOptions::reflection is false.
//
// It answers from protobuf's pool of the types that are linked into the process, at the time when it is
// asked. Peers are not trusted: few streams at once, for a limited time, since each holds a thread.
#ifndef SIDECALL_CORE_REFLECTION_H_
#define SIDECALL_CORE_REFLECTION_H_

#include <atomic>
#include <cstdint>
#include <string_view>
#include <vector>

#include "sidecall/reflection.sidecall.h"
#include "sidecall/service.h"

namespace sidecall {

class ReflectionService final : public sidecall_reflection::ServerReflection::Service {
 public:
  // `services`, beside which it lists itself, must outlive it.
  // It has at most `most_streams` open at once.
  ReflectionService(const std::vector<sidecall::Service*>& services, int32_t most_streams);

  // What the dispatcher calls in place of the generated handler: the call has ten seconds.
  static void Handle(sidecall::Service& service, internal::ServerCall& call);

  absl::Status ServerReflectionInfo(
      ServerContext* context,
      ServerReaderWriter<sidecall_reflection::ServerReflectionResponse,
                         sidecall_reflection::ServerReflectionRequest>* stream) override;

  sidecall_reflection::ServerReflectionResponse Answer(
      const sidecall_reflection::ServerReflectionRequest& request) const;

 private:
  std::vector<std::string_view> names_;
  const int32_t most_streams_;
  std::atomic<int32_t> open_streams_{0};
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_REFLECTION_H_
