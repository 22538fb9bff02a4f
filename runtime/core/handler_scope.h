// HandlerScope: what the thread knows while it runs a handler: how to give up the reader role before it
// blocks.
#ifndef SIDECALL_CORE_HANDLER_SCOPE_H_
#define SIDECALL_CORE_HANDLER_SCOPE_H_

namespace sidecall {

class HandlerScope {
 public:
  // Every blocking call of our own API says so first: other calls of this thread's server then run elsewhere
  // at once.
  static void AboutToBlock() {
    if (current != nullptr) current->Yield();
  }
  // True inside a handler.
  static bool Active() { return current != nullptr; }

 protected:
  // The innermost handler of this thread, or null.
  static HandlerScope* Current() { return current; }
  HandlerScope() { current = this; }
  ~HandlerScope() { current = nullptr; }
  HandlerScope(const HandlerScope&) = delete;
  HandlerScope& operator=(const HandlerScope&) = delete;

  // Hands the reader role on. Idempotent.
  virtual void Yield() = 0;

 private:
  static thread_local constinit HandlerScope* current;
};

}  // namespace sidecall

#endif  // SIDECALL_CORE_HANDLER_SCOPE_H_
