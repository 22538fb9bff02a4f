// The plugin as protoc sees it: options and descriptors in, two files per .proto out.
#ifndef SIDECALL_CODEGEN_GENERATOR_H_
#define SIDECALL_CODEGEN_GENERATOR_H_

#include <google/protobuf/compiler/code_generator.h>

#include <cstdint>
#include <string>

namespace sidecall::codegen {

class Generator final : public google::protobuf::compiler::CodeGenerator {
 public:
  bool Generate(const google::protobuf::FileDescriptor* file, const std::string& parameter,
                google::protobuf::compiler::GeneratorContext* context, std::string* error) const override;

  uint64_t GetSupportedFeatures() const override { return FEATURE_PROTO3_OPTIONAL; }
};

}  // namespace sidecall::codegen

#endif  // SIDECALL_CODEGEN_GENERATOR_H_
