/** Counts numbered calls in constant memory: what was lost, what came twice, what came out of order. */

/** What one end, or many together, did and saw. */
export interface EndCount {
  /** Calls made. */
  sent: number;
  /** Calls that were answered, with the right number. */
  answered: number;
  /** Calls that failed, or were answered wrongly. */
  failed: number;
  /** Calls of the far end that ran here, each time that they ran. */
  received: number;
  doubled: number;
  disordered: number;
  /** Numbers that were passed over and have not come since. */
  missing: number;
  /** The longest that a call waited for its answer, in milliseconds. */
  slowestMs: number;
  /** Of what went wrong, the first in words. */
  trouble: string;
}

/** The count of an end that has done nothing. */
export function noCount(): EndCount {
  const zero = { sent: 0, answered: 0, failed: 0, received: 0, doubled: 0, disordered: 0, missing: 0, slowestMs: 0 };
  return { ...zero, trouble: "" };
}

/** Many ends as one. */
export function sumOf(counts: Iterable<EndCount>): EndCount {
  const sum = noCount();
  for (const { slowestMs, trouble, ...added } of counts) {
    for (const name of Object.keys(added) as (keyof typeof added)[]) sum[name] += added[name];
    sum.slowestMs = Math.max(sum.slowestMs, slowestMs);
    sum.trouble ||= trouble;
  }
  return sum;
}

/** One end: makes numbered calls at a steady pace, and checks those that come. */
export class CountingEnd {
  readonly count = noCount();
  private last = 0;
  private readonly gaps = new Set<number>();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly call: (n: number) => PromiseLike<number>) {}

  /** Begins to call. */
  start(everyMs: number): void {
    this.timer = setInterval(() => void this.callOnce(), everyMs);
  }

  /** Calls no more; answers may still come. */
  stop(): void {
    clearInterval(this.timer);
  }

  /** A numbered call of the far end. */
  take(n: number): number {
    const { count, gaps } = this;
    count.received += 1;
    if (n > this.last) {
      for (let gap = this.last + 1; gap < n; gap++) gaps.add(gap);
      this.last = n;
    } else if (gaps.delete(n)) count.disordered += 1;
    else count.doubled += 1;
    count.missing = gaps.size;
    return n;
  }

  private async callOnce(): Promise<void> {
    const { count } = this;
    count.sent += 1;
    const n = count.sent;
    const startedAt = performance.now();
    try {
      const answer = await this.call(n);
      if (answer !== n) throw new Error(`call ${n} was answered ${answer}`);
      count.answered += 1;
    } catch (error) {
      count.failed += 1;
      count.trouble ||= String(error);
    }
    count.slowestMs = Math.max(count.slowestMs, performance.now() - startedAt);
  }
}
