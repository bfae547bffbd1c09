/**
 * How often something may happen, for each of many keys: a bucket per key holds tokens, each event takes one, and they
 * come back with time. Pure: `now` is monotonic milliseconds.
 */

/** What the buckets hold. */
export interface TokenBucketLimits {
  /** Tokens that come back in a second. */
  readonly perSecond: number;
  /** Tokens that a bucket holds at most: so many events at once. */
  readonly burst: number;
  /** Keys that are remembered; beyond it the one that was used longest ago is forgotten, as if its bucket were full. */
  readonly keysMax: number;
}

/** Token buckets by key. A key that was never used, or not for long, has a full bucket and takes no memory. */
export class TokenBuckets {
  readonly #limits: TokenBucketLimits;
  /** In the order of their last use. */
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>();

  constructor(limits: TokenBucketLimits) {
    this.#limits = limits;
  }

  /** Keys that are remembered now. */
  get size(): number {
    return this.#buckets.size;
  }

  /** How long until the key's bucket has a token; 0 when it has one. */
  waitMs(key: string, now: number): number {
    const missing = 1 - this.#tokens(key, now);
    return missing > 0 ? Math.ceil((missing / this.#limits.perSecond) * 1_000) : 0;
  }

  /** Takes a token, which {@link waitMs} has said to be there. */
  take(key: string, now: number): void {
    const tokens = this.#tokens(key, now) - 1;
    this.#buckets.delete(key);
    this.#buckets.set(key, { tokens, atMs: now });
    this.#forget(now);
  }

  #tokens(key: string, now: number): number {
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) return this.#limits.burst;
    const { perSecond, burst } = this.#limits;
    return Math.min(burst, bucket.tokens + ((now - bucket.atMs) / 1_000) * perSecond);
  }

  /** A few at a time, so that no event pays for all: those whose buckets are full again, and those beyond the limit. */
  #forget(now: number): void {
    const { perSecond, burst, keysMax } = this.#limits;
    const fullAgainMs = (burst / perSecond) * 1_000;
    for (const [key, { atMs }] of this.#buckets) {
      if (this.#buckets.size <= keysMax && now - atMs < fullAgainMs) return;
      this.#buckets.delete(key);
    }
  }
}
