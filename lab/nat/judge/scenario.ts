/** What a scenario of the judge is, and the words that scenarios are written in. */
import type { FaultParameters } from "../parameters.js";

/** Something that happens at a time. */
export interface Step {
  /** Milliseconds after the clients began. */
  readonly atMs: number;
  readonly fault: string;
  readonly parameters?: FaultParameters;
  /**
   * What this step is to the calls. `strike`: from here recovery counts. `cure`: it ends the strike before it, and
   * recovery counts from here. `quiet`: neither, such as the second of two faults that belong together.
   */
  readonly as: "strike" | "cure" | "quiet";
}

/** A fault that is there from the beginning. */
export type Standing = Pick<Step, "fault" | "parameters">;

/** What is promised. Times are in ms; recovery and delays are held to them, counts always to zero. */
export interface Promised {
  /** Longest time from a strike (or its cure) until calls are executed again, each way. */
  readonly recoveryMs?: number;
  /** 99 of 100 calls have their result within this; calls made before the client's first result do not count. */
  readonly p99Ms?: number;
  /** The first call of each client has its result within this. */
  readonly firstResultMs?: number;
  /** The process dies: nothing is exact then, but every call settles within this, with a result or one typed error. */
  readonly settlesMs?: number;
}

/** One scenario of the judge. */
export interface Scenario {
  readonly name: string;
  /** What happens, in words for the table. */
  readonly what: string;
  /** The promise of the design that it is held to. */
  readonly promise: string;
  readonly clients?: 1 | 3;
  /** How long calls are made, at 100 a second; 10 s in the quick suite, 20 s otherwise, or as the faults need. */
  readonly seconds?: number;
  /** Faults that are there before anybody begins. */
  readonly before?: readonly Standing[];
  readonly steps: readonly Step[];
  readonly promised: Promised;
  /** One of the few that run on every change. */
  readonly quick?: true;
  /** What the library still lacks for it; such a scenario may fail. */
  readonly needs?: string;
}

/** The promise G3. */
export const G3 = { recoveryMs: 300 };
/** The promise G4. */
export const G4 = { recoveryMs: 2_500 };
/** The promise G5. */
export const G5 = { recoveryMs: 500 };
/** The promise G6; and no stop-and-go, for which a second is our own figure. */
export const G6 = { firstResultMs: 2_000, p99Ms: 1_000 };
/** The promise G2. */
export const G2 = { settlesMs: 5_000 };

/** A fault at 3 s and another one at 6.5 s: the second meets a session that has recovered once already. */
export function twice(fault: string, parameters?: FaultParameters): Step[] {
  return [3_000, 6_500].map((atMs) => strike(atMs, fault, parameters));
}

/** A fault from which recovery counts. */
export function strike(atMs: number, fault: string, parameters: FaultParameters = {}): Step {
  return { atMs, fault, parameters, as: "strike" };
}

/** From `atMs` on, for `ms`. */
export function during(atMs: number, ms: number, fault: string, parameters: FaultParameters, end: string): Step[] {
  const kept = parameters.node === undefined ? {} : { node: parameters.node };
  return [strike(atMs, fault, parameters), { atMs: atMs + ms, fault: end, parameters: kept, as: "cure" }];
}

/** Silence for `ms`. */
export function cut(atMs: number, ms: number, way = "both"): Step[] {
  return during(atMs, ms, "cut", { way }, "heal");
}

/** A cable that is bad from the beginning. */
export function line(parameters: FaultParameters): Standing[] {
  return [{ fault: "line", parameters }];
}

/** A middlebox that is there from the beginning. */
export function proxy(kind: string): Standing[] {
  return [{ fault: "proxy", parameters: { kind } }];
}

/** A reset each second. */
export const tenResets = Array.from({ length: 10 }, (_, index) => strike(1_000 + 1_000 * index, "reset"));
