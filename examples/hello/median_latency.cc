#include "hello/median_latency.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "absl/strings/str_format.h"

namespace hello {

absl::StatusOr<absl::Duration> MedianLatency(Greeter::Stub& stub, const HelloRequest& request, int calls) {
  using Clock = std::chrono::steady_clock;
  std::vector<Clock::duration> latencies;
  latencies.reserve(static_cast<size_t>(calls));
  for (int call = -calls / 10; call < calls; ++call) {
    const Clock::time_point start = Clock::now();
    absl::StatusOr<HelloReply> reply = stub.SayHello(request);
    const Clock::duration latency = Clock::now() - start;
    if (!reply.ok()) return reply.status();
    if (call >= 0) latencies.push_back(latency);
  }
  const auto median = latencies.begin() + calls / 2;
  std::nth_element(latencies.begin(), median, latencies.end());
  return absl::FromChrono(*median);
}

std::string InMicroseconds(absl::Duration duration) {
  return absl::StrFormat("%.2f us", absl::ToDoubleMicroseconds(duration));
}

}  // namespace hello
