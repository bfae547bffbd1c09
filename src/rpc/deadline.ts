import { type CancelTimer, type Clock, TIMER_MS_MAX } from "../base/clock.js";

/** Calls `run` when the monotonic clock reaches `at`, however far that is: a platform's timer has a longest delay. */
export function waitUntil(clock: Clock, at: number, run: () => void): CancelTimer {
  const check = () => {
    const left = at - clock.monotonicMs();
    if (left > 0) cancel = clock.after(Math.min(left, TIMER_MS_MAX), check);
    else run();
  };
  let cancel = clock.after(Math.min(Math.max(0, at - clock.monotonicMs()), TIMER_MS_MAX), check);
  return () => cancel();
}
