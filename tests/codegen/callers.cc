// Code that uses generated classes as people do; that it compiles, without a warning, is the test.
#include <memory>
#include <string_view>
#include <type_traits>

#include "golden/everything.sidecall.h"
#include "many_methods.sidecall.h"
#include "odd/no_package.sidecall.h"
#include "odd/reserved_words.sidecall.h"
#include "odd/same_names.sidecall.h"

namespace {

using golden::v1::Greeter;

static_assert(Greeter::kServiceName == "golden.v1.Greeter");
static_assert(odd::reserved_words::Stub_::kServiceName == "odd.reserved_words.Stub");
static_assert(!std::is_copy_constructible_v<Greeter::Service>);
static_assert(!std::is_copy_constructible_v<sidecall::PendingCall>);

// Every kind of method can be overridden.
class GreeterImpl final : public Greeter::Service {
 public:
  absl::Status SayHello(sidecall::ServerContext*, const golden::v1::Request* request,
                        golden::v1::Reply* reply) override {
    reply->set_text(request->text());
    return absl::OkStatus();
  }
  absl::Status Collect(sidecall::ServerContext*, sidecall::ServerReader<golden::v1::Request>* reader,
                       golden::v1::Reply*) override {
    golden::v1::Request request;
    while (reader->Read(&request)) continue;
    return absl::OkStatus();
  }
  absl::Status Watch(sidecall::ServerContext*, const golden::v1::Request::Nested*,
                     sidecall::ServerWriter<golden::v1::Imported>* writer) override {
    writer->Write({});
    return absl::OkStatus();
  }
  absl::Status Chat(sidecall::ServerContext*,
                    sidecall::ServerReaderWriter<golden::v1::Reply, golden::v1::Request>* stream) override {
    stream->Write({});
    return absl::OkStatus();
  }
  // Serving what is deprecated is no reason for a warning.
  absl::Status Old(sidecall::ServerContext*, const google::protobuf::Empty*,
                   golden::v1::ReExported*) override {
    return absl::OkStatus();
  }
};

}  // namespace

absl::Status CallEveryKind(std::shared_ptr<sidecall::Channel> channel) {
  GreeterImpl served;
  const Greeter::Stub stub(channel);
  const std::unique_ptr<Greeter::Stub> owned = Greeter::NewStub(channel);
  sidecall::ClientContext context;
  golden::v1::Request request;
  golden::v1::Reply reply;
  absl::Status status = stub.SayHello(&context, request, &reply);
  status.Update(owned->SayHello(request).status());
  status.Update(stub.Collect(&context, &reply)->Finish());
  status.Update(stub.Watch(&context, golden::v1::Request::Nested())->Finish());
  status.Update(stub.Chat(&context)->Finish());
  status.Update(stub.delete_(request).status());
  sidecall::PendingCall pending = stub.async().SayHello(&context, request, &reply);
  pending = owned->async().delete_(&context, request, &reply);
  status.Update(pending.Finish());
  sidecall::Burst burst;
  status.Update(stub.async(burst).SayHello(&context, request, &reply).Finish());
  return status;
}

// Methods named as the class that begins calls is, and as what gives it.
sidecall::PendingCall BeginAsync(const odd::reserved_words::async::Stub& stub,
                                 sidecall::ClientContext& context) {
  odd::reserved_words::Async_async reply;
  const odd::reserved_words::async::Stub::Async async = stub.async();
  async.Async_(&context, reply, nullptr).Finish().IgnoreError();
  return async.async_(&context, odd::reserved_words::Async(), &reply);
}
