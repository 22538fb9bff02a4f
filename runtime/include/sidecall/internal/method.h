// Method: the one static object that stands for a method wherever it is called or served.
#ifndef SIDECALL_INTERNAL_METHOD_H_
#define SIDECALL_INTERNAL_METHOD_H_

#include <atomic>
#include <cstdint>
#include <string_view>

namespace sidecall::internal {

enum class MethodKind : uint8_t { kUnary, kClientStreaming, kServerStreaming, kBidirectionalStreaming };

// What the method's option in its .proto says (sidecall/options.proto).
struct MethodTraits {
  bool idempotent = false;
  int64_t default_timeout_nanos = 0;  // 0: none
};

class Method {
 public:
  // `full_name` is "package.Service/Method", of static lifetime.
  constexpr Method(std::string_view full_name, MethodKind kind, const MethodTraits& traits = {})
      : full_name_(full_name), kind_(kind), traits_(traits) {}
  Method(const Method&) = delete;
  Method& operator=(const Method&) = delete;

  std::string_view full_name() const { return full_name_; }
  MethodKind kind() const { return kind_; }
  bool idempotent() const { return traits_.idempotent; }
  int64_t default_timeout_nanos() const { return traits_.default_timeout_nanos; }

  // A small number of this process's own, by which the hot path finds a method without its name.
  uint32_t id() const {
    const uint32_t id = id_.load(std::memory_order_relaxed);
    return id != 0 ? id : AssignId();
  }

 private:
  uint32_t AssignId() const;

  std::string_view full_name_;
  MethodKind kind_;
  MethodTraits traits_;
  mutable std::atomic<uint32_t> id_{0};
};

}  // namespace sidecall::internal

#endif  // SIDECALL_INTERNAL_METHOD_H_
