// How names in a .proto become C++ identifiers. What C++ or the generated classes already use gets a trailing
// '_', as protobuf's own C++ code does with keywords; names on the wire never change.
#ifndef SIDECALL_CODEGEN_NAMES_H_
#define SIDECALL_CODEGEN_NAMES_H_

#include <string>

namespace sidecall::codegen {

// A keyword of C++20, or a macro that standard headers and compilers define.
bool IsKeyword(const std::string& name);

// The class that stands for a service. `package` may be empty.
std::string ServiceClassName(const std::string& package, const std::string& name);

// The member function of Stub and of Service that stands for a method.
std::string MethodFunctionName(const std::string& name);

// Whether Sidecall's own headers declare `name` in namespace sidecall.
bool IsRuntimeName(const std::string& name);

// Whether a class of this name outside any namespace would hide a namespace that generated code refers to.
bool IsGlobalNamespace(const std::string& name);

// An include guard: different paths give different guards.
std::string IncludeGuard(const std::string& path);

}  // namespace sidecall::codegen

#endif  // SIDECALL_CODEGEN_NAMES_H_
