// ConfigFile: the config file of this process, checked and held in memory (docs/config.md).
#ifndef SIDECALL_CORE_CONFIG_FILE_H_
#define SIDECALL_CORE_CONFIG_FILE_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "sidecall/access.h"

namespace sidecall {

struct Config {
  struct Transports {
    std::vector<std::string> schemes;  // at least one
    std::string place;                 // "/etc/sidecall/config.textproto:12"
  };
  struct Access {
    AccessRule rule;
    std::string place;
  };
  struct Service {
    std::optional<Transports> serve;
    std::optional<Transports> take;
    std::optional<Access> access;
    std::map<std::string, Access, std::less<>> methods;  // by name, as "SayHello"
  };

  std::string path;                                      // empty where there is no file
  std::map<std::string, Service, std::less<>> services;  // by name; "*"

  // What is said of `service`, by its own entry, or else by that of "*". Null: nothing.
  const Transports* Serve(std::string_view service) const { return Find(service, &Service::serve); }
  const Transports* Take(std::string_view service) const { return Find(service, &Service::take); }

 private:
  template <typename Item>
  const Item* Find(std::string_view service, std::optional<Item> Service::*member) const {
    for (const std::string_view name : {service, std::string_view("*")}) {
      auto found = services.find(name);
      if (found != services.end() && (found->second.*member).has_value()) return &*(found->second.*member);
    }
    return nullptr;
  }
};

// `text` as what the file at `path` holds. INVALID_ARGUMENT, with line and column.
absl::StatusOr<Config> ParseConfig(const std::string& text, const std::string& path);

// Thread-safety: any thread.
class ConfigFile {
 public:
  // As it was read last; read now, where it never was, or $SIDECALL_CONFIG names another. Errors as
  // ReloadConfig's.
  static absl::StatusOr<std::shared_ptr<const Config>> Get();
  // Reads it again, and tells the subscriptions. Errors as ReloadConfig's.
  static absl::Status Reload();

  // Whoever is told of the file as it is now, and of each reload, on the thread that asked for it, one at a
  // time. May not end a subscription, ask for the file, or log. What it returns, where that is not OK, is the
  // reload's own result.
  class Subscription {
   public:
    explicit Subscription(std::function<absl::Status(const Config&)> told);
    // It is told nothing any more once this has returned. In a child of fork() nothing is waited for.
    ~Subscription();
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;

    // What it made of the file as it was when this was made.
    const absl::Status& first_result() const { return first_result_; }

   private:
    friend class ConfigFile;
    const std::function<absl::Status(const Config&)> told_;
    const pid_t owner_;
    absl::Status first_result_;
  };
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_CONFIG_FILE_H_
