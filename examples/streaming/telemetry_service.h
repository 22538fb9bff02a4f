// The server's side of the four kinds of call.
#ifndef SIDECALL_EXAMPLES_STREAMING_TELEMETRY_SERVICE_H_
#define SIDECALL_EXAMPLES_STREAMING_TELEMETRY_SERVICE_H_

#include "telemetry.sidecall.h"

namespace telemetry {

class TelemetryImpl final : public Telemetry::Service {
  absl::Status Latest(sidecall::ServerContext*, const WatchRequest*, Sample* reply) override {
    *reply = SampleOf(0);
    return absl::OkStatus();
  }

  absl::Status Record(sidecall::ServerContext*, sidecall::ServerReader<Sample>* reader,
                      Summary* reply) override {
    double sum = 0;
    for (Sample sample; reader->Read(&sample);) {
      sum += sample.celsius();
      reply->set_samples(reply->samples() + 1);
    }
    if (reply->samples() > 0) reply->set_mean_celsius(sum / reply->samples());
    return absl::OkStatus();
  }

  absl::Status Watch(sidecall::ServerContext*, const WatchRequest* request,
                     sidecall::ServerWriter<Sample>* writer) override {
    for (int i = 0; i < request->samples(); i++) {
      // False once nobody waits: the client cancelled, died, or its deadline passed.
      if (!writer->Write(SampleOf(i))) break;
    }
    return absl::OkStatus();
  }

  absl::Status Calibrate(sidecall::ServerContext*,
                         sidecall::ServerReaderWriter<Sample, Adjustment>* stream) override {
    double offset = 0;
    for (Adjustment adjustment; stream->Read(&adjustment);) {
      offset += adjustment.celsius();
      Sample sample = SampleOf(0);
      sample.set_celsius(sample.celsius() + offset);
      if (!stream->Write(sample)) break;
    }
    return absl::OkStatus();
  }

  static Sample SampleOf(int number) {
    Sample sample;
    sample.set_at_millis(number * 100);
    sample.set_celsius(20 + 0.5 * number);
    return sample;
  }
};

}  // namespace telemetry

#endif  // SIDECALL_EXAMPLES_STREAMING_TELEMETRY_SERVICE_H_
