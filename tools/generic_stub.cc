#include "generic_stub.h"

#include <google/protobuf/empty.pb.h>
#include <google/protobuf/io/coded_stream.h>

#include <cstdint>
#include <list>
#include <mutex>
#include <utility>

#include "sidecall/internal/stub.h"

namespace sidecall::tools {
namespace {

// As the runtime knows methods: by an object that is there for as long as the process.
const internal::Method& MethodOf(const std::string& name, const internal::MethodTraits& traits) {
  struct Named {
    Named(const std::string& name, const internal::MethodTraits& traits)
        : name(name), traits(traits), method(this->name, internal::MethodKind::kUnary, traits) {}
    const std::string name;
    const internal::MethodTraits traits;
    const internal::Method method;
  };
  static std::mutex mutex;
  static std::list<Named>& all = *new std::list<Named>;
  const std::lock_guard lock(mutex);
  for (const Named& known : all) {
    const bool same = known.traits.idempotent == traits.idempotent &&
                      known.traits.default_timeout_nanos == traits.default_timeout_nanos;
    if (known.name == name && same) return known.method;
  }
  return all.emplace_back(name, traits).method;
}

// The tag of a field 0 of wire type 7: there is neither.
class NoMessage final : public internal::MessageSource {
 public:
  size_t ByteSize() const override { return 1; }
  void SerializeTo(uint8_t* memory) const override { *memory = kTag; }
  bool SerializeTo(google::protobuf::io::ZeroCopyOutputStream* stream) const override {
    google::protobuf::io::CodedOutputStream out(stream);
    out.WriteRaw(&kTag, 1);
    return !out.HadError();
  }

 private:
  static constexpr uint8_t kTag = 7;
};

}  // namespace

absl::Status GenericStub::CallUnary(const std::string& method, const internal::MethodTraits& traits,
                                    ClientContext& context, const google::protobuf::MessageLite& request,
                                    google::protobuf::MessageLite& reply) const {
  return internal::CallUnary(*channel_, MethodOf(method, traits), &context, request, &reply);
}

absl::Status GenericStub::CallInVain(const std::string& method, ClientContext& context) const {
  google::protobuf::Empty reply;
  internal::ProtobufTarget target(reply);
  return channel_->engine().RunUnary(MethodOf(method, {}), context, NoMessage(), target);
}

}  // namespace sidecall::tools
