#include "system.h"

#include <algorithm>

namespace bench {
namespace {

// What a deadline, a stream that nobody reads, or a server found by name costs shows in the smallest call.
bool IsSmallestHot(const Case& which) {
  return which.mode == Mode::kHot && which.bytes == 16;
}

}  // namespace

const std::vector<System>& Systems() {
  static const auto* systems = new std::vector<System>{
      {.name = "sidecall/shm",
       .program = "bench_sidecall",
       .transport = "shm",
       .works = {"unary", "pipelined", "stream", "stream_both_ways", "bandwidth"},
       .floor = "floor/shm",
       .pinned = true},
      {.name = "sidecall/shm+deadline",
       .program = "bench_sidecall",
       .transport = "shm",
       .works = {"unary"},
       .floor = "floor/shm",
       .pinned = true,
       .deadline = true,
       .runs = &IsSmallestHot},
      {.name = "sidecall/shm+stalled",
       .program = "bench_sidecall",
       .transport = "shm",
       .works = {"unary"},
       .floor = "sidecall/shm",
       .pinned = true,
       .stalled_stream = true,
       .runs = &IsSmallestHot},
      {.name = "sidecall/shm+named",
       .program = "bench_sidecall",
       .transport = "shm",
       .works = {"unary"},
       .floor = "sidecall/shm",
       .pinned = true,
       .named = true,
       .runs = &IsSmallestHot},
      {.name = "sidecall/unix",
       .program = "bench_sidecall",
       .transport = "unix",
       .works = {"unary", "pipelined", "stream", "stream_both_ways", "bandwidth"},
       .floor = "floor/unix",
       .pinned = true},
      {.name = "sidecall/unix+stalled",
       .program = "bench_sidecall",
       .transport = "unix",
       .works = {"unary"},
       .floor = "sidecall/unix",
       .pinned = true,
       .stalled_stream = true,
       .runs = &IsSmallestHot},
      {.name = "sidecall/pipe",
       .program = "bench_sidecall",
       .transport = "pipe",
       .works = {"unary", "pipelined", "stream", "stream_both_ways", "bandwidth"},
       .floor = "floor/pipe",
       .pinned = true},
      {.name = "sidecall/mqueue",
       .program = "bench_sidecall",
       .transport = "mqueue",
       .works = {"unary", "pipelined", "stream", "stream_both_ways", "bandwidth"},
       .floor = "floor/mqueue",
       .pinned = true},
      {.name = "floor/shm",
       .program = "bench_floor",
       .transport = "shm",
       .works = {"unary", "pipelined", "stream", "stream_both_ways", "bandwidth"},
       .pinned = true},
      {.name = "floor/unix",
       .program = "bench_floor",
       .transport = "unix",
       .works = {"unary", "pipelined", "stream", "stream_both_ways", "bandwidth"},
       .pinned = true},
      {.name = "floor/pipe",
       .program = "bench_floor",
       .transport = "pipe",
       .works = {"unary", "pipelined", "stream", "stream_both_ways", "bandwidth"},
       .pinned = true},
      {.name = "floor/mqueue",
       .program = "bench_floor",
       .transport = "mqueue",
       .works = {"unary", "pipelined", "stream", "stream_both_ways", "bandwidth"},
       .pinned = true},
      {.name = "grpc/unix",
       .program = "bench_peer_grpc",
       .transport = "unix",
       .works = {"unary", "pipelined", "stream", "stream_both_ways", "bandwidth"},
       .floor = "floor/unix",
       .packages = "libgrpc++-dev protobuf-compiler-grpc"},
      {.name = "capnp/unix",
       .program = "bench_peer_capnp",
       .transport = "unix",
       .works = {"unary"},
       .floor = "floor/unix",
       .packages = "libcapnp-dev capnproto"},
  };
  return *systems;
}

bool Runs(const System& system, const Case& which) {
  return std::find(system.works.begin(), system.works.end(), which.work) != system.works.end() &&
         (system.runs == nullptr || system.runs(which));
}

}  // namespace bench
