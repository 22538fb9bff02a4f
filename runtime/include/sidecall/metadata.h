// Metadata: the key-value pairs that travel beside a call's messages.
//
//   context.AddMetadata("tenant", "7");             // client
//   context.client_metadata().Find("tenant");       // server
//
// Keys are lower-case letters, digits, '-', '_' and '.'; a key that ends in "-bin" may hold any bytes, any
// other printable ASCII. Thread-safety: as a std::vector.
#ifndef SIDECALL_METADATA_H_
#define SIDECALL_METADATA_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace sidecall {

class Metadata {
 public:
  using Entry = std::pair<std::string, std::string>;

  // Appends; a key may occur more than once, and order is kept.
  void Add(std::string_view key, std::string_view value) { entries_.emplace_back(key, value); }

  // Takes all values of `key` out.
  void Remove(std::string_view key) {
    std::erase_if(entries_, [key](const Entry& entry) { return entry.first == key; });
  }

  // The first value of `key`, if any. Valid until this object changes.
  std::optional<std::string_view> Find(std::string_view key) const;

  // OK, or INVALID_ARGUMENT naming the first key or value that may not be sent.
  absl::Status Validate() const;

  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }
  void clear() { entries_.clear(); }
  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }

 private:
  std::vector<Entry> entries_;
};

}  // namespace sidecall

#endif  // SIDECALL_METADATA_H_
