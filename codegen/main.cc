// protoc-gen-sidecall: a protoc plugin. See README.md.
#include <google/protobuf/compiler/plugin.h>

#include "generator.h"

int main(int argc, char** argv) {
  sidecall::codegen::Generator generator;
  return google::protobuf::compiler::PluginMain(argc, argv, &generator);
}
