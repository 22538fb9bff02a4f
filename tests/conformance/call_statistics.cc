#include "call_statistics.h"

namespace conformance {
namespace {

int64_t Signed(uint64_t count) {
  return static_cast<int64_t>(count);
}

}  // namespace

StatisticsReply StatisticsOf(sidecall::CallSide side, const std::string& method) {
  const sidecall::Statistics all = sidecall::StatisticsSnapshot();
  sidecall::MethodStatistics one;
  for (const sidecall::MethodStatistics& candidate : all.methods) {
    if (candidate.name == method && candidate.side == side) one = candidate;
  }
  StatisticsReply reply;
  reply.set_started(Signed(one.started));
  for (const uint64_t count : one.ended) reply.add_ended(Signed(count));
  reply.set_in_flight(Signed(one.in_flight));
  reply.set_bytes_sent(Signed(one.bytes_sent));
  reply.set_bytes_received(Signed(one.bytes_received));
  reply.set_messages_sent(Signed(one.messages_sent));
  reply.set_messages_received(Signed(one.messages_received));
  reply.set_latencies(Signed(one.latency.count));
  for (const uint64_t count : all.refused_calls) reply.add_refused(Signed(count));
  const bool client = side == sidecall::CallSide::kClient;
  const sidecall::ConnectionStatistics& connections =
      client ? all.client_connections : all.server_connections;
  reply.set_connections_open(Signed(connections.open));
  reply.set_connections_opened(Signed(connections.opened));
  reply.set_connections_failed(Signed(connections.failed));
  return reply;
}

}  // namespace conformance
