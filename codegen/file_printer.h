// The text of the two generated files.
#ifndef SIDECALL_CODEGEN_FILE_PRINTER_H_
#define SIDECALL_CODEGEN_FILE_PRINTER_H_

#include "model.h"
#include "printing.h"

namespace sidecall::codegen {

void PrintHeader(const File& file, Printer& printer);
void PrintSource(const File& file, Printer& printer);

}  // namespace sidecall::codegen

#endif  // SIDECALL_CODEGEN_FILE_PRINTER_H_
