/**
 * Which request of an access waits for its process: the newest. A client that hears nothing repeats its access (D1),
 * and cannot know whether the network has swallowed it, the server has not read it, or a process takes its time to
 * start. So the one before is answered: its client knows that it was heard, and repeats rarely from then on, while the
 * newest waits on the connection that has most lately been seen to work.
 */
import { deferred } from "../base/deferred.js";

/** The requests of accesses that wait, by nonce. */
export class WaitingAccesses {
  readonly #replace = new Map<string, () => void>();

  /** What `made` settles with; undefined as soon as a later request with this nonce waits for the same. */
  async wait<Made>(nonce: string | undefined, made: Promise<Made>): Promise<Made | undefined> {
    if (nonce === undefined) return made;
    this.#replace.get(nonce)?.();
    const replaced = deferred<undefined>();
    const replace = () => replaced.resolve(undefined);
    this.#replace.set(nonce, replace);
    try {
      return await Promise.race([made, replaced.promise]);
    } finally {
      if (this.#replace.get(nonce) === replace) this.#replace.delete(nonce);
    }
  }
}
