// The text of the class Service, which servers derive from, and of the table of methods behind it.
#ifndef SIDECALL_CODEGEN_SERVICE_PRINTER_H_
#define SIDECALL_CODEGEN_SERVICE_PRINTER_H_

#include "model.h"
#include "printing.h"

namespace sidecall::codegen {

// The class, for the header; inside the class of the service.
void PrintServiceDeclaration(const Service& service, Printer& printer);

// The static objects that stand for the methods, for the source, ahead of all that uses them.
void PrintMethodObjects(const Service& service, Printer& printer);

// Its functions, and the table of handlers.
void PrintServiceDefinitions(const Service& service, Printer& printer);

}  // namespace sidecall::codegen

#endif  // SIDECALL_CODEGEN_SERVICE_PRINTER_H_
