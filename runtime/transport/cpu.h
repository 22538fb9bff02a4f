// What makes of CPUs differ in when two cores hand cache lines to each other: measured, see
// docs/decisions/0006-hot-path-costs.md.
#ifndef SIDECALL_TRANSPORT_CPU_H_
#define SIDECALL_TRANSPORT_CPU_H_

namespace sidecall {

// Between two looks at memory that the other side writes.
inline void PauseCpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Whether a line that another core polls comes sooner where it is fetched for writing ahead of the write, and
// where the poller looks without a pause. Elsewhere (Intel) both keep the two cores fighting for the line.
inline bool PollsAndFetchesEagerly() {
#if defined(__x86_64__)
  return __builtin_cpu_is("amd") != 0;
#else
  return false;
#endif
}

}  // namespace sidecall

#endif  // SIDECALL_TRANSPORT_CPU_H_
