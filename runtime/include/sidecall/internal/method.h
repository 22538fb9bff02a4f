// Method: the one static object that stands for a method wherever it is called or served.
#ifndef SIDECALL_INTERNAL_METHOD_H_
#define SIDECALL_INTERNAL_METHOD_H_

#include <atomic>
#include <cstdint>
#include <string_view>

namespace sidecall::internal {

enum class MethodKind : uint8_t { kUnary, kClientStreaming, kServerStreaming, kBidirectionalStreaming };

class Method {
 public:
  // `full_name` is "package.Service/Method", of static lifetime.
  constexpr Method(std::string_view full_name, MethodKind kind) : full_name_(full_name), kind_(kind) {}
  Method(const Method&) = delete;
  Method& operator=(const Method&) = delete;

  std::string_view full_name() const { return full_name_; }
  MethodKind kind() const { return kind_; }

  // A small number of this process's own, by which the hot path finds a method without its name.
  uint32_t id() const {
    const uint32_t id = id_.load(std::memory_order_relaxed);
    return id != 0 ? id : AssignId();
  }

 private:
  uint32_t AssignId() const;

  std::string_view full_name_;
  MethodKind kind_;
  mutable std::atomic<uint32_t> id_{0};
};

}  // namespace sidecall::internal

#endif  // SIDECALL_INTERNAL_METHOD_H_
