/** Notices that the machine, or this process, was asleep (D13). */
import type { CancelTimer, Clock } from "../base/clock.js";

const LOOK_MS = 1_000;
/** A look that comes later than this, or a wall clock that has gone ahead of the monotonic one by this, is a wake. */
const SLEPT_MS = 2_000;

/** Calls `woke` after each sleep, until it is cancelled. */
export function watchSleep(clock: Clock, woke: () => void): CancelTimer {
  let [monotonicMs, wallMs] = [clock.monotonicMs(), clock.wallMs()];
  const look = () => {
    const [passedMs, wallPassedMs] = [clock.monotonicMs() - monotonicMs, clock.wallMs() - wallMs];
    [monotonicMs, wallMs] = [monotonicMs + passedMs, wallMs + wallPassedMs];
    cancel = clock.after(LOOK_MS, look);
    if (passedMs > LOOK_MS + SLEPT_MS || wallPassedMs - passedMs > SLEPT_MS) woke();
  };
  let cancel = clock.after(LOOK_MS, look);
  return () => cancel();
}
