// RegistryWatch: tells of changes in registry directories, on one thread of the process, which is there from
// the first watch on and sleeps while nothing changes.
#ifndef SIDECALL_REGISTRY_REGISTRY_WATCH_H_
#define SIDECALL_REGISTRY_REGISTRY_WATCH_H_

#include <sys/types.h>

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "transport/unique_fd.h"

namespace sidecall {

// Thread-safety: any thread.
class RegistryWatch {
 public:
  class Watcher {
   public:
    // Something has changed in one of its paths, or of them. Called on the watch's thread, one at a time, and
    // once more a little later: that a process died is told just before its locks are gone. True: again in a
    // second, whatever happens.
    virtual bool OnRegistryChange() = 0;

   protected:
    ~Watcher() = default;
  };

  // The process's own; a child of fork() has another. Never destroyed.
  static RegistryWatch& Get();

  // Watches `paths`, directories or files, for `watcher`, in place of those before. A path that is not there
  // is left out. True where one is watched that was not.
  bool Watch(Watcher& watcher, const std::vector<std::string>& paths);
  // No call comes any more once this has returned. Not from within one.
  void Forget(Watcher& watcher);

 private:
  RegistryWatch();
  void Run();
  // Empty, or why there will be none.
  std::string StartThread();
  // What has changed; nothing where the time came first.
  std::set<Watcher*> AwaitChanges(int64_t deadline_nanos);
  // Those that want to be told again.
  std::set<Watcher*> Tell(const std::set<Watcher*>& watchers);
  void RemoveFrom(Watcher& watcher, int descriptor);

  const pid_t process_;
  const UniqueFd inotify_;
  std::mutex mutex_;  // all below
  bool started_ = false;
  std::condition_variable told_;
  std::map<int, std::set<Watcher*>> watchers_;  // by inotify's descriptor of the path
  std::map<Watcher*, std::set<int>> watched_;
  Watcher* telling_ = nullptr;
};

}  // namespace sidecall

#endif  // SIDECALL_REGISTRY_REGISTRY_WATCH_H_
