/** Counts what became of numbered calls. Pure: it is given what both ends wrote down, and tells what that means. */

/** A line that an actor prints. `at` is in milliseconds of the machine's own clock, the same in every process. */
export type Line =
  | { readonly kind: "ready"; readonly at: number }
  /** A conversation began; more than one for a client means that the first was not kept. */
  | { readonly kind: "session"; readonly client: string; readonly at: number }
  /** It ended, as the client sees it. */
  | { readonly kind: "closed"; readonly client: string; readonly at: number; readonly code: string }
  /** The link changed; for the reader of a failed run. */
  | { readonly kind: "note"; readonly client: string; readonly at: number; readonly text: string }
  | CallLine;

/** One moment in the life of a call: made, executed at the receiver, settled at the maker. */
export interface CallLine {
  readonly kind: "made" | "executed" | "settled";
  readonly client: string;
  readonly direction: Direction;
  readonly n: number;
  readonly at: number;
  /** With `settled`: the code of the error, absent for a result. */
  readonly code?: string;
}

/** Up: from the client to the server. Down: from the server to the client. */
export type Direction = "up" | "down";

/** What became of the calls of one direction of one client. */
export interface Count {
  readonly made: number;
  /** Never executed at the receiver. */
  lost: number;
  /** Executed more than once; each further time counts. */
  doubled: number;
  /** Executed after one that was made later. */
  outOfOrder: number;
  /** Settled with an error. */
  failed: number;
  /** Settled with an error although executed: what a time-out does. */
  failedThoughExecuted: number;
  /** Neither result nor error when the judge lost its patience. */
  hung: number;
  /** Of every call with a result: when it was made, and how long that took. */
  readonly delays: readonly Delay[];
  /** When each was executed, in the order of execution. */
  readonly executedAt: readonly number[];
  /** How many errors of each code. */
  readonly codes: Readonly<Record<string, number>>;
}

/** How long one call took, from made to result. */
export interface Delay {
  readonly madeAt: number;
  readonly tookMs: number;
}

/** Counts one direction of one client. */
export function count(lines: readonly CallLine[]): Count {
  const made = new Map<number, number>();
  const executed = new Map<number, number>();
  const settled = new Map<number, CallLine>();
  const executedAt: number[] = [];
  let doubled = 0;
  let outOfOrder = 0;
  let latest = 0;
  for (const line of lines) {
    if (line.kind === "made") made.set(line.n, line.at);
    if (line.kind === "settled") settled.set(line.n, line);
    if (line.kind !== "executed") continue;
    executedAt.push(line.at);
    const times = (executed.get(line.n) ?? 0) + 1;
    executed.set(line.n, times);
    if (times > 1) doubled += 1;
    else if (line.n < latest) outOfOrder += 1;
    latest = Math.max(latest, line.n);
  }
  const all = [...made.keys()];
  const errors = all.filter((n) => settled.get(n)?.code !== undefined);
  return {
    made: made.size,
    lost: all.filter((n) => !executed.has(n)).length,
    doubled,
    outOfOrder,
    failed: errors.length,
    failedThoughExecuted: errors.filter((n) => executed.has(n)).length,
    hung: all.filter((n) => !settled.has(n)).length,
    delays: all.flatMap((n) => delayOf(made.get(n), settled.get(n))),
    executedAt,
    codes: countCodes(errors.map((n) => settled.get(n)?.code ?? "")),
  };
}

function delayOf(madeAt: number | undefined, settled: CallLine | undefined): Delay[] {
  if (madeAt === undefined || settled === undefined || settled.code !== undefined) return [];
  return [{ madeAt, tookMs: settled.at - madeAt }];
}

function countCodes(codes: readonly string[]): Record<string, number> {
  const counted: Record<string, number> = {};
  for (const code of codes) counted[code] = (counted[code] ?? 0) + 1;
  return counted;
}

/** The value that `share` of the others do not exceed; undefined without values. */
export function percentile(values: readonly number[], share: number): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
}

/** From when to when a fault's consequences may last: until the next fault, or the end of the run. */
export interface Aftermath {
  /** When the fault began. */
  readonly from: number;
  /** From when on recovery is possible: when a cut healed, when a frozen machine went on; else the same as `from`. */
  readonly curedAt: number;
  readonly until: number;
}

/**
 * How long after its cure a fault still held up executions: where the longest silence that touches the aftermath ends.
 * A silence that the next strike meets is measured to its own end, however late: it was there before.
 * 0 if nothing was silent for longer than `gapMs`. Undefined if the silence never ended.
 */
export function recoveryMs(executedAt: readonly number[], after: Aftermath, gapMs = 100): number | undefined {
  const last = executedAt.at(-1);
  if (last === undefined || last < after.from) return undefined;
  // A fault may be there from the beginning: then the silence is as old as the fault.
  const times = (executedAt[0] ?? 0) > after.from ? [after.from, ...executedAt] : executedAt;
  let longest = 0;
  let recovery = 0;
  for (let index = 1; index < times.length; index += 1) {
    const [begins = 0, ends = 0] = [times[index - 1], times[index]];
    if (ends <= after.from || ends - begins <= Math.max(longest, gapMs)) continue;
    // What begins with the next strike is that one's.
    if (ends > after.until && begins > after.until - gapMs) break;
    longest = ends - begins;
    // A fault takes some milliseconds to be done: what still ran meanwhile is no part of the recovery.
    recovery = Math.max(0, ends - Math.max(after.curedAt, begins));
  }
  return recovery;
}
