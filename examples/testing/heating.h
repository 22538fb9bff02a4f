// Code that calls a service, as an application has it: the stub comes from outside.
#ifndef SIDECALL_EXAMPLES_TESTING_HEATING_H_
#define SIDECALL_EXAMPLES_TESTING_HEATING_H_

#include <memory>
#include <string>
#include <utility>

#include "thermostat.sidecall.h"

namespace thermostat {

class Heating {
 public:
  explicit Heating(std::shared_ptr<sidecall::Channel> channel) : thermometer_(std::move(channel)) {}

  // Whether the room is colder than it should be. Errors: those of the call, which has 100 ms.
  absl::StatusOr<bool> MustHeat(const std::string& room, double wanted_celsius) const {
    sidecall::ClientContext context;
    context.set_timeout(absl::Milliseconds(100));
    ReadRequest request;
    request.set_room(room);
    Reading reading;
    absl::Status status = thermometer_.Read(&context, request, &reading);
    if (!status.ok()) return status;
    return reading.celsius() < wanted_celsius;
  }

 private:
  Thermometer::Stub thermometer_;
};

}  // namespace thermostat

#endif  // SIDECALL_EXAMPLES_TESTING_HEATING_H_
