// streaming: the four kinds of call, client and server in one program. With --address=shm:/path they could as
// well be two.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <string>

#include "sidecall/sidecall.h"
#include "streaming/telemetry_service.h"

namespace telemetry {
namespace {

absl::Status CallLatest(const Telemetry::Stub& stub) {
  sidecall::ClientContext context;
  Sample sample;
  absl::Status status = stub.Latest(&context, WatchRequest(), &sample);
  if (status.ok()) std::cout << "latest: " << sample.celsius() << "\n";
  return status;
}

absl::Status CallRecord(const Telemetry::Stub& stub) {
  sidecall::ClientContext context;
  Summary summary;
  const auto writer = stub.Record(&context, &summary);
  for (int i = 1; i <= 1000; i++) {
    Sample sample;
    sample.set_celsius(i);
    // The hint: more follows at once, so that small messages may travel together. False: the call has ended.
    if (!writer->Write(sample, sidecall::WriteOptions().set_buffer_hint())) break;
  }
  writer->WritesDone();
  absl::Status status = writer->Finish();
  if (status.ok())
    std::cout << "recorded: " << summary.samples() << ", mean " << summary.mean_celsius() << "\n";
  return status;
}

absl::Status CallWatch(const Telemetry::Stub& stub) {
  sidecall::ClientContext context;
  WatchRequest request;
  request.set_samples(3);
  const auto reader = stub.Watch(&context, request);
  for (Sample sample; reader->Read(&sample);) {
    std::cout << "watched: " << sample.celsius() << " at " << sample.at_millis() << " ms\n";
  }
  return reader->Finish();
}

absl::Status CallCalibrate(const Telemetry::Stub& stub) {
  sidecall::ClientContext context;
  const auto stream = stub.Calibrate(&context);
  for (const double celsius : {0.25, -1.0}) {
    Adjustment adjustment;
    adjustment.set_celsius(celsius);
    Sample sample;
    if (!stream->Write(adjustment) || !stream->Read(&sample)) break;
    std::cout << "calibrated: " << sample.celsius() << "\n";
  }
  stream->WritesDone();
  return stream->Finish();
}

absl::Status Run(const std::string& address) {
  TelemetryImpl service;
  auto server = sidecall::ServerBuilder().AddAddress(address).RegisterService(&service).BuildAndStart();
  if (!server.ok()) return server.status();
  const Telemetry::Stub stub(sidecall::CreateChannel(address));
  for (const auto call : {&CallLatest, &CallRecord, &CallWatch, &CallCalibrate}) {
    if (absl::Status status = call(stub); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace telemetry

int main(int argc, char** argv) {
  CLI::App app("Makes a call of each of the four kinds.");
  std::string address = "inproc:telemetry";
  app.add_option("--address", address, "Where to serve, and to call")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  const absl::Status status = telemetry::Run(address);
  if (status.ok()) return 0;
  std::cerr << "streaming: " << status << std::endl;
  return 1;
}
