// CancelGroup: calls that end together with the one on whose behalf they are made.
#ifndef SIDECALL_INTERNAL_CANCEL_GROUP_H_
#define SIDECALL_INTERNAL_CANCEL_GROUP_H_

#include <mutex>
#include <vector>

namespace sidecall {

class ClientContext;

namespace internal {

// Thread-safety: any thread.
class CancelGroup {
 public:
  // Cancels `context` with the group; at once where that was cancelled already. Remove it before it goes.
  void Add(ClientContext& context);
  void Remove(ClientContext& context);
  void Cancel();

 private:
  std::mutex mutex_;
  bool cancelled_ = false;
  std::vector<ClientContext*> contexts_;
};

}  // namespace internal
}  // namespace sidecall

#endif  // SIDECALL_INTERNAL_CANCEL_GROUP_H_
