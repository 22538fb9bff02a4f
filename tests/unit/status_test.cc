// What RPC adds to a status.
#include "sidecall/status.h"

#include <gtest/gtest.h>

#include <string>

#include "core/status_payloads.h"

namespace sidecall {
namespace {

TEST(Status, DetailsTravelWithTheStatus) {
  const std::string bytes("\0\xff\n", 3);
  const absl::Status status = StatusWithDetails(absl::StatusCode::kNotFound, "no such name", bytes);
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_EQ(StatusMessage(status), "no such name");
  EXPECT_EQ(StatusDetails(status), bytes);
  const absl::Status copy = status;
  EXPECT_EQ(StatusDetails(copy), bytes);
}

TEST(Status, WithoutDetailsThereAreNone) {
  EXPECT_EQ(StatusDetails(absl::NotFoundError("x")), "");
  EXPECT_EQ(StatusDetails(absl::OkStatus()), "");
}

TEST(Status, OkCarriesNothing) {
  absl::Status ok;
  SetStatusDetails(ok, "details");
  MarkNotSent(ok);
  EXPECT_TRUE(ok.ok());
  EXPECT_EQ(StatusDetails(ok), "");
  EXPECT_FALSE(IsNotSent(ok));
  EXPECT_TRUE(StatusWithDetails(absl::StatusCode::kOk, "x", "y").ok());
}

TEST(Status, NotSentIsTold) {
  const absl::Status plain = absl::UnavailableError("gone");
  EXPECT_FALSE(IsNotSent(plain));
  const absl::Status marked = NotSent(plain);
  EXPECT_TRUE(IsNotSent(marked));
  EXPECT_EQ(marked.code(), plain.code());
  EXPECT_EQ(StatusMessage(marked), "gone");
}

TEST(Status, NotSentKeepsDetails) {
  const absl::Status status = NotSent(StatusWithDetails(absl::StatusCode::kUnavailable, "gone", "why"));
  EXPECT_TRUE(IsNotSent(status));
  EXPECT_EQ(StatusDetails(status), "why");
}

TEST(Status, OwnCopyHasAllOfIt) {
  const absl::Status status =
      NotSent(StatusWithDetails(absl::StatusCode::kAborted, "why", std::string("\0details", 8)));
  EXPECT_EQ(OwnCopy(status), status);
  EXPECT_TRUE(OwnCopy(absl::OkStatus()).ok());
}

}  // namespace
}  // namespace sidecall
