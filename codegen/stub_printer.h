// The text of the class Stub: what clients call.
#ifndef SIDECALL_CODEGEN_STUB_PRINTER_H_
#define SIDECALL_CODEGEN_STUB_PRINTER_H_

#include "model.h"
#include "printing.h"

namespace sidecall::codegen {

// The class, for the header; inside the class of the service.
void PrintStubDeclaration(const Service& service, Printer& printer);

// Its functions, for the source.
void PrintStubDefinitions(const Service& service, Printer& printer);

}  // namespace sidecall::codegen

#endif  // SIDECALL_CODEGEN_STUB_PRINTER_H_
