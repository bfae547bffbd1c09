/** Holds what happened in a run against what was promised. Pure. */
import type { Record as RunRecord } from "./run.js";
import type { Scenario } from "./scenario.js";
import {
  type Aftermath,
  type CallLine,
  type Count,
  count,
  type Delay,
  type Direction,
  percentile,
  recoveryMs,
} from "./tally.js";

/** The outcome of one scenario: a row of the table. */
export interface Verdict {
  readonly scenario: string;
  readonly what: string;
  readonly promise: string;
  /** Every promise that was broken, in words; empty means passed. */
  readonly broken: readonly string[];
  readonly needs?: string;
  /** Sums over all clients. */
  readonly up: Sum;
  readonly down: Sum;
  /** Whether every client had one session, to the end. */
  readonly kept: boolean;
  /** The slowest recovery from each strike, in order; null where it never came. */
  readonly recoveryMs: readonly (number | null)[];
  readonly firstResultMs: number | null;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  /** The same of all calls, from the very first on. */
  readonly p99EverMs: number | null;
  /** How late the judge's own timers were at worst: nothing measured is sharper than that. */
  readonly lateMs: number;
  readonly codes: Readonly<Record<string, number>>;
  /** What the clients noted about their links, with the time since the beginning. */
  readonly notes: readonly string[];
  readonly complaints: string;
}

/** Counts of one direction, over all clients. */
export type Sum = Pick<Count, "made" | "lost" | "doubled" | "outOfOrder" | "failed" | "failedThoughExecuted" | "hung">;

const DIRECTIONS: readonly Direction[] = ["up", "down"];
/** Calls are 10 ms apart: what all may take longer than promised, besides the lateness of this machine's timers. */
const GRAIN_MS = 20;

/** Judges a run; whatever is promised in milliseconds may take `timeFactor` times as long. */
export function judge(scenario: Scenario, record: RunRecord, timeFactor = 1): Verdict {
  const calls = record.lines.filter((line): line is CallLine => "direction" in line);
  const counts = record.clients.flatMap((client) =>
    DIRECTIONS.map((direction) => ({
      client,
      direction,
      ...count(calls.filter((line) => line.client === client && line.direction === direction)),
    })),
  );
  const delays = delaysOnceOpen(counts, calls);
  const figures: { -readonly [Name in keyof Figures]: Figures[Name] } = {
    up: sum(counts.filter((one) => one.direction === "up")),
    down: sum(counts.filter((one) => one.direction === "down")),
    kept: isKept(record),
    recoveryMs: aftermaths(record).map((after) => slowest(counts, after)),
    firstResultMs: firstResult(record, calls),
    p50Ms: percentile(delays, 0.5) ?? null,
    p99Ms: percentile(delays, 0.99) ?? null,
    p99EverMs:
      percentile(
        counts.flatMap(({ delays: all }) => all.map(({ tookMs }) => tookMs)),
        0.99,
      ) ?? null,
  };
  const { name, what, promise, needs, promised } = scenario;
  const inDeath = promised.settlesMs !== undefined;
  if (inDeath) figures.recoveryMs = [settledAfterDeath(record, calls)];
  const broken = inDeath
    ? brokenInDeath(scenario, figures, timeFactor, record)
    : brokenInLife(scenario, figures, timeFactor, record);
  return {
    scenario: name,
    what,
    promise,
    broken,
    ...(needs === undefined ? {} : { needs }),
    ...figures,
    lateMs: record.lateMs,
    codes: mergeCodes(counts),
    notes: [...notesOf(record), ...counts.flatMap((one) => slowRuns(one, promised.p99Ms, record.beganAt))],
    complaints: record.complaints,
  };
}

type Figures = Pick<Verdict, "up" | "down" | "kept" | "recoveryMs" | "firstResultMs" | "p50Ms" | "p99Ms" | "p99EverMs">;

/** G1 and the times: nothing lost, doubled, out of order, failed or hung, the session kept. */
function brokenInLife({ promised }: Scenario, figures: Figures, timeFactor: number, record: RunRecord): string[] {
  const broken: string[] = [];
  for (const direction of DIRECTIONS) {
    const { made, ...counted } = figures[direction];
    const expected = record.calls * record.clients.length;
    if (made !== expected) broken.push(`${direction}: only ${made} of ${expected} calls were made`);
    for (const [word, value] of Object.entries(counted)) {
      if (value !== 0 && word !== "failedThoughExecuted") broken.push(`${direction}: ${value} ${word}`);
    }
  }
  if (!figures.kept) broken.push("the session was not kept");
  const blur = GRAIN_MS + record.lateMs;
  const slow = (value: number | null, most: number | undefined) =>
    most !== undefined && (value === null || value > most * timeFactor + blur);
  const { recoveryMs: most, p99Ms, firstResultMs } = promised;
  figures.recoveryMs.forEach((value, index) => {
    if (slow(value, most)) broken.push(`recovery ${index + 1}: ${show(value)}, promised ${most} ms`);
  });
  if (slow(figures.p99Ms, p99Ms)) broken.push(`p99 ${show(figures.p99Ms)}, promised ${p99Ms} ms`);
  if (slow(figures.firstResultMs, firstResultMs)) {
    broken.push(`first result ${show(figures.firstResultMs)}, promised ${firstResultMs} ms`);
  }
  return broken;
}

/** G2: the client's calls all settle in time; what the server was about to call is gone with it. */
function brokenInDeath(
  { promised }: Scenario,
  { up, recoveryMs: [late = null] }: Figures,
  timeFactor: number,
  record: RunRecord,
): string[] {
  const { settlesMs = 0 } = promised;
  const broken: string[] = [];
  if (up.hung > 0) broken.push(`up: ${up.hung} hung`);
  if (up.doubled + up.outOfOrder > 0) broken.push(`up: ${up.doubled} doubled, ${up.outOfOrder} out of order`);
  if (late === null || late > settlesMs * timeFactor + GRAIN_MS + record.lateMs) {
    broken.push(`a call settled ${show(late)} after the death, promised ${settlesMs} ms`);
  }
  return broken;
}

/** How long after the server's death the last call settled; of one made later, how long that took if it is longer. */
function settledAfterDeath({ strikes, beganAt }: RunRecord, calls: readonly CallLine[]): number {
  const diedAt = strikes.find(({ step }) => step.as === "strike")?.at ?? beganAt;
  const madeAt = new Map<string, number>();
  let most = 0;
  for (const { kind, client, direction, n, at } of calls) {
    if (direction !== "up") continue;
    const call = `${client} ${n}`;
    if (kind === "made") madeAt.set(call, at);
    if (kind === "settled" && at > diedAt) most = Math.max(most, at - Math.max(diedAt, madeAt.get(call) ?? diedAt));
  }
  return most;
}

function sum(counts: readonly Count[]): Sum {
  const add = (pick: (one: Count) => number) => counts.reduce((total, one) => total + pick(one), 0);
  return {
    made: add((one) => one.made),
    lost: add((one) => one.lost),
    doubled: add((one) => one.doubled),
    outOfOrder: add((one) => one.outOfOrder),
    failed: add((one) => one.failed),
    failedThoughExecuted: add((one) => one.failedThoughExecuted),
    hung: add((one) => one.hung),
  };
}

function isKept({ lines, clients }: RunRecord): boolean {
  return clients.every((client) => {
    const own = lines.filter((line) => "client" in line && line.client === client);
    return own.filter((line) => line.kind === "session").length === 1 && !own.some((line) => line.kind === "closed");
  });
}

/** A strike lasts until its cure if it has one; its aftermath until the next strike. */
function aftermaths({ strikes, beganAt, endedAt }: RunRecord): Aftermath[] {
  const found: { from: number; curedAt: number; until: number }[] = [];
  for (const { step, at } of strikes) {
    const before = found.at(-1);
    if (step.as === "strike") {
      if (before) before.until = at;
      found.push({ from: at, curedAt: at, until: endedAt });
    } else if (step.as === "cure") {
      if (before) before.curedAt = at;
      else found.push({ from: beganAt, curedAt: at, until: endedAt });
    }
  }
  return found;
}

function slowest(counts: readonly Count[], after: Aftermath): number | null {
  let most = 0;
  for (const { executedAt } of counts) {
    const took = recoveryMs(executedAt, after);
    if (took === undefined) return null;
    most = Math.max(most, took);
  }
  return most;
}

/** The slowest client's first result. */
function firstResult({ clients, beganAt }: RunRecord, calls: readonly CallLine[]): number | null {
  const most = Math.max(...clients.map((client) => firstResultAt(calls.filter((line) => line.client === client))));
  return Number.isFinite(most) ? most - beganAt : null;
}

/** When a client's own first call had its result. */
function firstResultAt(calls: readonly CallLine[]): number {
  const first = calls.find((line) => line.kind === "settled" && line.direction === "up" && line.code === undefined);
  return first?.at ?? Number.POSITIVE_INFINITY;
}

/** From made to result, of the calls of both directions that were made once their client had a result at all. */
function delaysOnceOpen(
  counts: readonly (Count & { readonly client: string })[],
  calls: readonly CallLine[],
): number[] {
  return counts.flatMap(({ client, delays }) => {
    const openAt = firstResultAt(calls.filter((line) => line.client === client));
    return delays.filter(({ madeAt }) => madeAt >= openAt).map(({ tookMs }) => tookMs);
  });
}

function mergeCodes(counts: readonly (Count & { readonly direction: Direction })[]): Record<string, number> {
  const merged: Record<string, number> = {};
  for (const { codes, direction } of counts) {
    for (const [code, times] of Object.entries(codes)) {
      const key = `${direction} ${code}`;
      merged[key] = (merged[key] ?? 0) + times;
    }
  }
  return merged;
}

function notesOf({ lines, beganAt }: RunRecord): string[] {
  return lines.flatMap((line) => {
    if (line.kind !== "note" && line.kind !== "closed" && line.kind !== "session") return [];
    const text = line.kind === "note" ? line.text : line.kind === "closed" ? `closed ${line.code}` : "session";
    return [`${((line.at - beganAt) / 1000).toFixed(3)} s ${line.client} ${text}`];
  });
}

/** Of each stretch of calls that took longer than 99 of 100 may: when they were made, how many they are, the slowest. */
function slowRuns(
  { client, direction, delays }: Pick<Count, "delays"> & { readonly client: string; readonly direction: Direction },
  limitMs = Number.POSITIVE_INFINITY,
  beganAt: number,
): string[] {
  const runs: Delay[][] = [];
  let isInside = false;
  for (const delay of delays) {
    if (delay.tookMs > limitMs) {
      if (!isInside) runs.push([]);
      runs.at(-1)?.push(delay);
    }
    isInside = delay.tookMs > limitMs;
  }
  return runs.map((run) => {
    const [first, last] = [run[0], run.at(-1)].map((one) => (((one?.madeAt ?? 0) - beganAt) / 1000).toFixed(3));
    const most = Math.max(...run.map(({ tookMs }) => tookMs));
    return `${first} s ${client} ${run.length} calls ${direction} until ${last} s took up to ${show(most)}`;
  });
}

function show(value: number | null): string {
  return value === null ? "never" : `${Math.round(value)} ms`;
}
