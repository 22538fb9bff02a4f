#include "byte_stream_floor.h"

#include "stream_floor.h"
#include "time_calls.h"
#include "window_floor.h"

namespace bench {
namespace {

auto Sending(StreamEnd& end) {
  return [&end](const EchoMessage& message, bool more) { return end.Send(message, more); };
}

auto Receiving(StreamEnd& end) {
  return [&end](EchoMessage* message) { return end.Receive(message); };
}

class ByteStreamClient final : public WorkerClient {
 public:
  ByteStreamClient(const StreamEnd& end, const WorkerOptions& options)
      : end_(end), request_(MakeRequest(options.bytes)), work_(options.work) {}

  absl::Status Run(size_t calls, std::vector<int64_t>& nanos) override {
    if (IsWindowWork(work_)) {
      return RunWindowOver(work_, calls, request_, Sending(end_), Receiving(end_));
    }
    if (IsStreamWork(work_)) return StreamMessages(calls, request_, Sending(end_), Receiving(end_));
    absl::Status status;
    const bool all = TimeCalls(calls, nanos, [&] {
      status = end_.Send(request_);
      if (status.ok()) status = end_.Receive(&reply_);
      return status.ok();
    });
    return all ? CheckEcho(request_, reply_) : status;
  }

 private:
  StreamEnd end_;
  EchoMessage request_;
  EchoMessage reply_;
  const std::string work_;
};

}  // namespace

std::unique_ptr<WorkerClient> MakeByteStreamClient(const StreamEnd& end, const WorkerOptions& options) {
  return std::make_unique<ByteStreamClient>(end, options);
}

absl::Status ServeByteStream(StreamEnd end, const WorkerOptions& options) {
  if (IsStreamWork(options.work)) return CountMessages(Sending(end), Receiving(end));
  EchoMessage request;
  EchoMessage reply;
  for (;;) {
    absl::Status status = end.Receive(&request);
    if (!status.ok()) return status;
    Echo(request, &reply);
    status = end.Send(reply, end.HasMessage());  // Those that came together are answered together.
    if (!status.ok()) return status;
  }
}

}  // namespace bench
