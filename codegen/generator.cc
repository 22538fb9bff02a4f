#include "generator.h"

#include <google/protobuf/io/zero_copy_stream.h>

#include <memory>

#include "file_printer.h"
#include "model.h"
#include "options.h"

namespace sidecall::codegen {
namespace {

using google::protobuf::compiler::GeneratorContext;
using google::protobuf::io::ZeroCopyOutputStream;

void Write(GeneratorContext& context, const std::string& path, const File& file,
           void (*print)(const File&, Printer&)) {
  std::unique_ptr<ZeroCopyOutputStream> output(context.Open(path));
  Printer printer(output.get(), '$');
  print(file, printer);
}

}  // namespace

bool Generator::Generate(const google::protobuf::FileDescriptor* file, const std::string& parameter,
                         GeneratorContext* context, std::string* error) const {
  absl::StatusOr<Options> options = ParseOptions(parameter);
  if (!options.ok()) {
    *error = std::string(options.status().message());
    return false;
  }
  absl::StatusOr<File> model = BuildFile(*file, *options);
  if (!model.ok()) {
    *error = std::string(model.status().message());
    return false;
  }
  Write(*context, model->header_path, *model, PrintHeader);
  Write(*context, model->source_path, *model, PrintSource);
  return true;
}

}  // namespace sidecall::codegen
