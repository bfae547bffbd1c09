import { type CancelTimer, type Clock, TIMER_MS_MAX } from "../base/clock.js";
import { whenAborted } from "./abort-listeners.js";
import { localError } from "./messages.js";
import type { PendingCall } from "./remote-call.js";

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

/** When a call that is made now with this time-out is due; undefined: never. Throws `invalid_argument`. */
export function dueAtOf(clock: Clock, timeoutMs = Number.POSITIVE_INFINITY): number | undefined {
  if (!(timeoutMs >= 0)) throw localError("invalid_argument", "timeoutMs is below 0");
  const dueAt = clock.monotonicMs() + timeoutMs;
  return dueAt < Number.MAX_SAFE_INTEGER ? dueAt : undefined;
}

/** Gives a call up when its signal is aborted, and at `dueAt` if there is a deadline; its settling ends that. */
export function watchCall(
  call: PendingCall,
  clock: Clock,
  dueAt: number | undefined,
  giveUp: (code: "cancelled" | "deadline_exceeded", cause?: unknown) => void,
): void {
  const { signal } = call.options ?? {};
  const stopListening = signal && whenAborted(signal, () => giveUp("cancelled", signal.reason));
  const cancelTimer = dueAt === undefined ? undefined : waitUntil(clock, dueAt, () => giveUp("deadline_exceeded"));
  call.cleanUp = () => {
    stopListening?.();
    cancelTimer?.();
  };
}
