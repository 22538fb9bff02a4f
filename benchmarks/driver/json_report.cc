#include "json_report.h"

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

namespace bench {
namespace {

using Json = nlohmann::ordered_json;

Json ToJson(const Machine& machine, const Surroundings& surroundings) {
  return {{"work", "machine"},
          {"machine", machine.processor},
          {"cpus", surroundings.cpus.size()},
          {"kernel", machine.kernel},
          {"commit", machine.commit},
          {"compiler", machine.compiler},
          {"date", machine.date},
          {"load_average", machine.load_average},
          {"deadline_on_every_call", surroundings.deadline}};
}

Json ToJson(const Case& which, const std::string& system) {
  return {{"work", which.work},
          {"system", system},
          {"mode", std::string(ModeName(which.mode))},
          {"bytes", which.bytes}};
}

Json ToJson(const Spread& spread) {
  return {{"median", spread.median}, {"p10", spread.low}, {"p90", spread.high}};
}

Json ToJson(const Measurement& measurement) {
  Json json = ToJson(measurement.which, measurement.system);
  json["p50_ns"] = measurement.latency.p50;
  json["p99_ns"] = measurement.latency.p99;
  json["p999_ns"] = measurement.latency.p999;
  json["max_ns"] = measurement.latency.max;
  json["per_second"] = std::round(measurement.per_second);
  json["voluntary_switches_per_call"] = measurement.switches_per_call();
  json["client_voluntary_switches_per_call"] = measurement.client_switches_per_call;
  json["server_voluntary_switches_per_call"] = measurement.server_switches_per_call;
  json["samples"] = measurement.samples;
  json["rounds"] = measurement.rounds;
  if (measurement.times_floor) json["times_floor"] = ToJson(*measurement.times_floor);
  if (measurement.faster_than_peer)
    json["times_faster_than_grpc_unix"] = ToJson(*measurement.faster_than_peer);
  return json;
}

Json ToJson(const Failure& failure) {
  Json json = ToJson(failure.which, failure.system);
  json["error"] = failure.status.ToString();
  return json;
}

}  // namespace

absl::Status WriteJson(const std::string& path, const Machine& machine, const Surroundings& surroundings,
                       const std::vector<Measurement>& measurements, const std::vector<Failure>& failures) {
  Json report = Json::array({ToJson(machine, surroundings)});
  for (const Measurement& measurement : measurements) report.push_back(ToJson(measurement));
  for (const Failure& failure : failures) report.push_back(ToJson(failure));
  std::ofstream file(path);
  file << report.dump(2, ' ', false, Json::error_handler_t::replace) << std::endl;
  if (!file)
    return absl::UnavailableError("cannot write " + path + ". Name a file in a directory that exists.");
  return absl::OkStatus();
}

}  // namespace bench
