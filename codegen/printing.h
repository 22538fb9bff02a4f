// The pieces of text that headers and sources share.
#ifndef SIDECALL_CODEGEN_PRINTING_H_
#define SIDECALL_CODEGEN_PRINTING_H_

#include <google/protobuf/io/printer.h>

#include <string>
#include <vector>

#include "comments.h"
#include "model.h"

namespace sidecall::codegen {

using google::protobuf::io::Printer;

// Says where the file comes from.
void PrintBanner(const File& file, Printer& printer);

void PrintComments(const Comments& comments, Printer& printer);

void PrintNamespacesOpen(const File& file, Printer& printer);
void PrintNamespacesClose(const File& file, Printer& printer);

// Prints "<head>(<arguments>)<tail>", on one line if that fits, or else with each argument on its own.
void PrintCall(const std::string& head, const std::vector<std::string>& arguments, const std::string& tail,
               Printer& printer);

}  // namespace sidecall::codegen

#endif  // SIDECALL_CODEGEN_PRINTING_H_
