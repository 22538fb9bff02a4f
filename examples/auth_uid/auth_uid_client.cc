// auth_uid_client: puts something into the safe, and looks, as the user who runs it or, for root, as another.
#include <grp.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <string>

#include "safe.sidecall.h"

namespace {

bool Become(uid_t uid) {
  return setgroups(0, nullptr) == 0 && setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0;
}

void Print(const char* what, const absl::Status& status) {
  std::cout << what << ": " << status.ToString(absl::StatusToStringMode::kWithNoExtraData) << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Calls auth_uid.Safe.");
  std::string address = "unix-abstract:sidecall-safe";
  std::string text = "a ring";
  uid_t user = geteuid();
  app.add_option("--address", address, "Where the server listens")->capture_default_str();
  app.add_option("--put", text, "What to put into it")->capture_default_str();
  app.add_option("--as", user, "The uid to call as; root alone may choose");
  CLI11_PARSE(app, argc, argv);
  if (user != geteuid() && !Become(user)) {
    std::perror("auth_uid_client: to become another user");
    return 1;
  }

  const auth_uid::Safe::Stub stub(sidecall::CreateChannel(address));
  auth_uid::Content content;
  content.set_text(text);
  const absl::Status put = stub.Put(content).status();
  Print("put", put);
  const absl::StatusOr<auth_uid::Content> found = stub.Look(auth_uid::LookRequest());
  Print("look", found.status());
  if (found.ok()) std::cout << "it holds: " << found->text() << std::endl;
  return put.ok() && found.ok() ? 0 : 1;
}
