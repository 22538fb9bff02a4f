// Readers and writers of streaming calls, named and shaped as gRPC's.
//
// This release carries unary calls only: a streaming call ends at once, with UNIMPLEMENTED from Finish().
// Thread-safety: one thread reads, one writes.
#ifndef SIDECALL_STREAM_H_
#define SIDECALL_STREAM_H_

#include "absl/status/status.h"

namespace sidecall {

namespace internal {
// The status of every streaming call, for now.
absl::Status StreamingUnimplemented();
}  // namespace internal

// A client's view of a server-streaming call.
template <typename Reply>
class ClientReader {
 public:
  // False when the stream has ended; Finish then says how.
  bool Read(Reply*) { return false; }
  absl::Status Finish() { return internal::StreamingUnimplemented(); }
};

// A client's view of a client-streaming call.
template <typename Request>
class ClientWriter {
 public:
  // False when the call has ended; Finish then says how.
  bool Write(const Request&) { return false; }
  bool WritesDone() { return false; }
  absl::Status Finish() { return internal::StreamingUnimplemented(); }
};

// A client's view of a bidirectional call.
template <typename Request, typename Reply>
class ClientReaderWriter {
 public:
  bool Read(Reply*) { return false; }
  bool Write(const Request&) { return false; }
  bool WritesDone() { return false; }
  absl::Status Finish() { return internal::StreamingUnimplemented(); }
};

// A handler's view of a client-streaming call.
template <typename Request>
class ServerReader {
 public:
  bool Read(Request*) { return false; }
};

// A handler's view of a server-streaming call.
template <typename Reply>
class ServerWriter {
 public:
  bool Write(const Reply&) { return false; }
};

// A handler's view of a bidirectional call.
template <typename Reply, typename Request>
class ServerReaderWriter {
 public:
  bool Read(Request*) { return false; }
  bool Write(const Reply&) { return false; }
};

}  // namespace sidecall

#endif  // SIDECALL_STREAM_H_
