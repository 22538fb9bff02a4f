#include "names.h"

#include <string_view>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"

namespace sidecall::codegen {
namespace {

using NameSet = absl::flat_hash_set<std::string>;

const NameSet& Keywords() {
  static const NameSet& keywords = *new NameSet{
      "alignas", "alignof", "and", "and_eq", "asm", "auto", "bitand", "bitor", "bool", "break", "case",
      "catch", "char", "char8_t", "char16_t", "char32_t", "class", "compl", "concept", "const", "consteval",
      "constexpr", "constinit", "const_cast", "continue", "co_await", "co_return", "co_yield", "decltype",
      "default", "delete", "do", "double", "dynamic_cast", "else", "enum", "explicit", "export", "extern",
      "false", "final", "float", "for", "friend", "goto", "if", "inline", "int", "long", "mutable",
      "namespace", "new", "noexcept", "not", "not_eq", "nullptr", "operator", "or", "or_eq", "override",
      "private", "protected", "public", "register", "reinterpret_cast", "requires", "return", "short",
      "signed", "sizeof", "static", "static_assert", "static_cast", "struct", "switch", "template", "this",
      "thread_local", "throw", "true", "try", "typedef", "typeid", "typename", "typeof", "union", "unsigned",
      "using", "virtual", "void", "volatile", "wchar_t", "while", "xor", "xor_eq",
      // Macros: those of the C library that any header may bring, and those of the GNU dialects.
      "EOF", "NULL", "assert", "errno", "linux", "stderr", "stdin", "stdout", "unix"};
  return keywords;
}

// Members of the class of a service: a class cannot share its name with one of them.
const NameSet& ServiceMembers() {
  static const NameSet& names = *new NameSet{"NewStub", "Service", "Stub", "kServiceName"};
  return names;
}

// A function cannot share its name with the class it is in, nor with what else Stub and Stub::Async have.
const NameSet& FunctionNamesTaken() {
  static const NameSet& names = *new NameSet{"Async", "Service", "Stub", "async", "burst_", "channel_"};
  return names;
}

}  // namespace

bool IsKeyword(const std::string& name) {
  return Keywords().contains(name);
}

bool IsRuntimeName(const std::string& name) {
  static const NameSet& names = *new NameSet{"BalancedServer",
                                             "Balancer",
                                             "BalancerFactory",
                                             "Burst",
                                             "Channel",
                                             "ChannelOptions",
                                             "ChannelState",
                                             "ClientContext",
                                             "ClientReader",
                                             "ClientReaderWriter",
                                             "ClientWriter",
                                             "CreateChannel",
                                             "DefaultPolling",
                                             "IsNotSent",
                                             "LeastLoaded",
                                             "Metadata",
                                             "MethodOptions",
                                             "PeerIdentity",
                                             "PendingCall",
                                             "PickFirst",
                                             "Polling",
                                             "PublishOptions",
                                             "RoundRobin",
                                             "Server",
                                             "ServerBuilder",
                                             "ServerContext",
                                             "ServerOptions",
                                             "ServerReader",
                                             "ServerReaderWriter",
                                             "ServerWriter",
                                             "Service",
                                             "ServiceOptions",
                                             "StatusDetails",
                                             "StatusMessage",
                                             "StatusWithDetails",
                                             "Task",
                                             "Weighted",
                                             "WriteOptions",
                                             "absl",
                                             "codegen",
                                             "google",
                                             "internal",
                                             "method",
                                             "service",
                                             "std"};
  return names.contains(name);
}

bool IsGlobalNamespace(const std::string& name) {
  return name == "absl" || name == "google" || name == "sidecall" || name == "std";
}

std::string ServiceClassName(const std::string& package, const std::string& name) {
  const bool taken =
      IsKeyword(name) || ServiceMembers().contains(name) || (package.empty() && IsGlobalNamespace(name));
  return taken ? name + "_" : name;
}

std::string MethodFunctionName(const std::string& name) {
  return IsKeyword(name) || FunctionNamesTaken().contains(name) ? name + "_" : name;
}

std::string IncludeGuard(const std::string& path) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string guard = "SIDECALL_GENERATED_";
  for (const char c : path) {
    const unsigned char byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte)) {
      guard += c;
    } else {
      // The underscore is escaped too: "a_2fb" and "a/b" are different files.
      guard += '_';
      guard += kDigits[byte >> 4];
      guard += kDigits[byte & 15];
    }
  }
  return guard + "_H_";
}

}  // namespace sidecall::codegen
