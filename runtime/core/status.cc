#include "sidecall/status.h"

#include "absl/strings/cord.h"
#include "absl/types/optional.h"
#include "core/status_payloads.h"

namespace sidecall {
namespace {

constexpr char kDetails[] = "sidecall.dev/details";
constexpr char kNotSent[] = "sidecall.dev/not-sent";

absl::string_view Abseil(std::string_view text) {
  return {text.data(), text.size()};
}

}  // namespace

std::string_view StatusMessage(const absl::Status& status) {
  const absl::string_view message = status.message();
  return {message.data(), message.size()};
}

absl::Status StatusWithDetails(absl::StatusCode code, std::string_view message, std::string_view details) {
  absl::Status status(code, Abseil(message));
  SetStatusDetails(status, details);
  return status;
}

std::string StatusDetails(const absl::Status& status) {
  absl::optional<absl::Cord> details = status.GetPayload(kDetails);
  return details.has_value() ? std::string(*details) : std::string();
}

bool IsNotSent(const absl::Status& status) {
  return status.GetPayload(kNotSent).has_value();
}

void SetStatusDetails(absl::Status& status, std::string_view details) {
  status.SetPayload(kDetails, absl::Cord(Abseil(details)));
}

void MarkNotSent(absl::Status& status) {
  status.SetPayload(kNotSent, absl::Cord("no handler has seen the call: it is safe to send it again"));
}

absl::Status NotSent(absl::Status status) {
  MarkNotSent(status);
  return status;
}

absl::Status OwnCopy(const absl::Status& status) {
  absl::Status copy(status.code(), status.message());
  status.ForEachPayload([&copy](absl::string_view url, const absl::Cord& payload) {
    copy.SetPayload(url, absl::Cord(std::string(payload)));
  });
  return copy;
}

absl::Status WithoutNotSent(absl::Status status) {
  status.ErasePayload(kNotSent);
  return status;
}

}  // namespace sidecall
