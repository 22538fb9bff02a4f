#include "format.h"

#include "absl/strings/str_format.h"

namespace bench {
namespace {

// Three digits that count.
std::string ThreeDigits(double value) {
  if (value >= 100) return absl::StrFormat("%.0f", value);
  return value >= 10 ? absl::StrFormat("%.1f", value) : absl::StrFormat("%.2f", value);
}

}  // namespace

std::string FormatBytes(size_t bytes) {
  constexpr size_t kKiB = 1024;
  if (bytes >= kKiB * kKiB && bytes % (kKiB * kKiB) == 0)
    return absl::StrFormat("%d MiB", bytes / kKiB / kKiB);
  if (bytes >= kKiB && bytes % kKiB == 0) return absl::StrFormat("%d KiB", bytes / kKiB);
  return absl::StrFormat("%d B", bytes);
}

std::string FormatNanos(int64_t nanos) {
  const double value = static_cast<double>(nanos);
  if (nanos < 1'000) return absl::StrFormat("%d ns", nanos);
  if (nanos < 1'000'000) return ThreeDigits(value / 1e3) + " us";
  return ThreeDigits(value / 1e6) + " ms";
}

std::string FormatRate(double per_second) {
  if (per_second >= 1e6) return ThreeDigits(per_second / 1e6) + " M";
  if (per_second >= 1e3) return ThreeDigits(per_second / 1e3) + " k";
  return ThreeDigits(per_second);
}

std::string CaseTitle(const Case& which) {
  return which.work + " " + FormatBytes(which.bytes) + " " + std::string(ModeName(which.mode));
}

std::string CasePath(const std::string& system, const Case& which) {
  return which.work + "/" + system + "/" + std::string(ModeName(which.mode)) + "/" +
         std::to_string(which.bytes);
}

}  // namespace bench
