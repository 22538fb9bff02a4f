// Who may call which method of a server: the rules of its builder, and those of the config file.
#ifndef SIDECALL_CORE_ACCESS_H_
#define SIDECALL_CORE_ACCESS_H_

#include <unistd.h>

#include <list>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "core/config_file.h"
#include "core/dispatcher.h"
#include "sidecall/access.h"

namespace sidecall {

// A rule as calls meet it. Immutable.
class AccessGuard {
 public:
  // `name`: whose rule it is, for the log.
  AccessGuard(AccessRule rule, std::string name) : rule_(std::move(rule)), name_(std::move(name)) {}

  // False for whom nothing can let in: known before a byte of the request is looked at. Runs none of the
  // user's code.
  bool MayAdmit(const PeerIdentity& peer) const {
    return peer.uid.has_value() && (rule_.predicate || Lists(peer));
  }
  // Asks the predicate, where there is one.
  bool Admits(const PeerIdentity& peer, std::string_view method) const;

  // PERMISSION_DENIED, and a line of the log.
  absl::Status Refuse(const PeerIdentity& peer, std::string_view method) const;

 private:
  bool Lists(const PeerIdentity& peer) const;

  const AccessRule rule_;
  const std::string name_;
};

// Gives each method of a dispatcher its guard. Thread-safety: any thread, beside calls.
class AccessRules {
 public:
  // By what they guard: "*", "hello.Greeter", "hello.Greeter/SayHello".
  using ByName = std::map<std::string, AccessRule, std::less<>>;

  // `dispatcher` must outlive this.
  AccessRules(ByName code_rules, Dispatcher& dispatcher)
      : code_rules_(std::move(code_rules)), dispatcher_(dispatcher) {}

  // INVALID_ARGUMENT where a rule is for what the server does not serve, as after a slip of the pen.
  absl::Status Check(const Config& config) const;

  // Of a method, the rule for itself, else that for its service, else that for all; of two for the same, the
  // config file's. Where none is and `guarded` is set, it is for the server's own user and root, else for
  // whoever can connect.
  void Apply(const Config& config, bool guarded);
  // Whether the builder or the file has any rule for what the server serves.
  bool Any(const Config& config) const;

 private:
  const AccessGuard* GuardOf(const Config& config, const Service& service, std::string_view method,
                             bool guarded);
  const AccessGuard* Keep(const AccessRule& rule, std::string name);

  const ByName code_rules_;
  const AccessRule owners_rule_{.uids = {geteuid(), 0}};
  Dispatcher& dispatcher_;
  std::mutex mutex_;
  // All there ever were: a call may be looking at one of before.
  std::list<AccessGuard> guards_;
  std::map<const AccessRule*, const AccessGuard*> guards_of_rules_;  // while they are applied
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_ACCESS_H_
