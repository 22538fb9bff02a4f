// Finds what C++ would reject in generated code, where protoc can still say which line of which .proto to
// change.
#ifndef SIDECALL_CODEGEN_CLASHES_H_
#define SIDECALL_CODEGEN_CLASHES_H_

#include <google/protobuf/descriptor.h>

#include "absl/status/status.h"
#include "model.h"

namespace sidecall::codegen {

// `file` is the model of `descriptor`.
absl::Status CheckClashes(const google::protobuf::FileDescriptor& descriptor, const File& file);

}  // namespace sidecall::codegen

#endif  // SIDECALL_CODEGEN_CLASHES_H_
