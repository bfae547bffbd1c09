import type { Clock } from "./clock.js";
import { deferred } from "./deferred.js";

/** What `work` settles with; rejects with an error that says `what` did not settle when that takes longer than `ms`. */
export async function inTime<T>(clock: Clock, ms: number, what: string, work: T | PromiseLike<T>): Promise<T> {
  const late = deferred<never>();
  const cancel = clock.after(ms, () => late.reject(new Error(`${what} did not settle within ${ms} ms`)));
  return Promise.race([work, late.promise]).finally(cancel);
}
