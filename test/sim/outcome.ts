/** What many histories came to, added up. Plain data, so that it travels between threads. */

/** A seed whose history broke a rule. */
export interface FailedSeed {
  readonly seed: number;
  /** Which rule, or the class of an error that nobody expected. */
  readonly rule: string;
  readonly message: string;
}

/** Some histories. */
export interface Tally {
  histories: number;
  events: number;
  deliveries: number;
  /** The longest time from the last fault to the last delivery. */
  recoveryMsMax: number;
  readonly failed: FailedSeed[];
  /** How often each mark was seen, such as `cut_both_know open`. */
  readonly counts: Map<string, number>;
}

/** Nothing yet. */
export function emptyTally(): Tally {
  return { histories: 0, events: 0, deliveries: 0, recoveryMsMax: 0, failed: [], counts: new Map() };
}

/** Adds `part` to `whole`. */
export function addTally(whole: Tally, part: Tally): void {
  whole.histories += part.histories;
  whole.events += part.events;
  whole.deliveries += part.deliveries;
  whole.recoveryMsMax = Math.max(whole.recoveryMsMax, part.recoveryMsMax);
  whole.failed.push(...part.failed);
  for (const [mark, count] of part.counts) whole.counts.set(mark, (whole.counts.get(mark) ?? 0) + count);
}

/** The states of a session in which something can still happen to it. */
export const liveStates = ["fresh", "open", "interrupted", "closing"] as const;

/** The table of faults and states, one line per fault, and the pairs that never occurred. */
export function coverage(
  kinds: readonly string[],
  counts: ReadonlyMap<string, number>,
): { lines: string[]; never: string[] } {
  const head = `${"fault".padEnd(28)}${liveStates.map((state) => state.padStart(12)).join("")}`;
  const lines = [head];
  const never: string[] = [];
  for (const kind of kinds) {
    const cells = liveStates.map((state) => counts.get(`${kind} ${state}`) ?? 0);
    lines.push(kind.padEnd(28) + cells.map((count) => String(count).padStart(12)).join(""));
    liveStates.forEach((state, i) => {
      if (cells[i] === 0) never.push(`${kind} ${state}`);
    });
  }
  return { lines, never };
}
