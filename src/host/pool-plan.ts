/**
 * How many carriers (worker threads or processes) a service has, and who gets which: decisions only, as values. Time is
 * handed in, starting and stopping is the caller's (carrier-pool.ts), so a test can live through an hour of accesses.
 *
 * Without `pool`, each session has a carrier to itself, taken from those that were started ahead; it is never used
 * again. With `pool`, sessions share that many carriers, and one that dies is replaced.
 */
import { DuowireError } from "../base/errors.js";

/** How many carriers one service may have. */
export interface PoolLimits {
  /** Share this many carriers among all sessions; 0 gives each session one of its own. 0. */
  readonly pool: number;
  /** Carriers that wait, started, for a session of their own; at least so many. 1. */
  readonly warmMin: number;
  /** And at most so many, however fast accesses come. 8. */
  readonly warmMax: number;
  /** Carriers at once, whatever they do; an access beyond it is refused `server_busy`. 256. */
  readonly carriersMax: number;
  /** Carriers that start at the same time: this bounds what a flood of accesses costs. The number of cores, 2 to 8. */
  readonly startsMax: number;
  /** Accesses that wait for a carrier; more are refused `server_busy`. 64. */
  readonly waitingMax: number;
  /** How long one of them may wait until it is refused `server_busy`; longer than a start may take. 13,000 ms. */
  readonly waitMs: number;
}

/** What the caller is to do. `carrier` is a number that is never given twice. */
export type PoolAction<Waiter> =
  | { readonly kind: "start"; readonly carrier: number }
  | { readonly kind: "stop"; readonly carrier: number }
  | { readonly kind: "assign"; readonly carrier: number; readonly waiter: Waiter }
  | { readonly kind: "refuse"; readonly waiter: Waiter; readonly error: DuowireError };

/** Sessions last: a service that has all its carriers stays full for a while. */
const FULL_RETRY_MS = 5_000;
/** A queue moves on as carriers start. */
const QUEUE_RETRY_MS = 1_000;
/** A start that has lasted so long was a good one: what ends the carrier later is no reason to start the next late. */
const LASTING_MS = 3_000;
/** The pause after a failed start, doubled by each further failure, and its limit. */
const BACK_OFF_MS = [100, 30_000] as const;
/** After this long without a failure the next one counts as the first. */
const FORGIVE_MS = 60_000;

/** Starting a process holds up the server for milliseconds: the access that took a warm one is served first. */
const REFILL_MS = 50;

interface Carrier {
  state: "starting" | "ready" | "stopping";
  /** Sessions that it runs now; a carrier of one session is used up by its first. */
  sessions: number;
  isUsed: boolean;
  /** Since when it takes sessions; infinite until it does. */
  readyMs: number;
}

/** The plan for one service. Each input may make actions: take them with {@link poll} until there are none. */
export class PoolPlan<Waiter> {
  readonly #limits: PoolLimits;
  readonly #demand: Demand;
  readonly #carriers = new Map<number, Carrier>();
  readonly #waiting: { readonly waiter: Waiter; readonly sinceMs: number }[] = [];
  readonly #actions: PoolAction<Waiter>[] = [];
  #lastNumber = 0;
  #failures = 0;
  #failedMs = Number.NEGATIVE_INFINITY;
  /** Why the last start failed; undefined once one has succeeded. */
  #failure: DuowireError | undefined;
  /** When the warm carriers that were taken are replaced; undefined when they have been. */
  #refillMs: number | undefined;
  #isClosed = false;

  constructor(limits: PoolLimits, nowMs: number) {
    this.#limits = limits;
    this.#demand = new Demand(limits, nowMs);
    this.tick(nowMs);
  }

  /** The next thing to do; undefined when there is none. */
  poll(): PoolAction<Waiter> | undefined {
    return this.#actions.shift();
  }

  /** How many carriers there are in each state; `idle` of those `ready` wait for their first session. */
  get counts(): { starting: number; ready: number; idle: number; stopping: number; waiting: number } {
    const counts = { starting: 0, ready: 0, idle: 0, stopping: 0, waiting: this.#waiting.length };
    for (const carrier of this.#carriers.values()) {
      counts[carrier.state] += 1;
      if (isIdle(carrier)) counts.idle += 1;
    }
    return counts;
  }

  /** When {@link tick} has something to do without any other input; undefined for never. */
  nextMs(nowMs: number): number | undefined {
    const { idle } = this.counts;
    const [first] = this.#waiting;
    const times: number[] = [];
    if (first !== undefined) times.push(first.sinceMs + this.#limits.waitMs);
    if (this.#retryMs > nowMs && !this.#isClosed) times.push(this.#retryMs);
    if (this.#refillMs !== undefined && !this.#isClosed) times.push(Math.max(this.#refillMs, this.#retryMs));
    if (this.#limits.pool === 0 && idle > this.#limits.warmMin) times.push(this.#demand.nextMs);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** Time has passed. */
  tick(nowMs: number): void {
    while (this.#waiting[0] !== undefined && this.#waiting[0].sinceMs + this.#limits.waitMs <= nowMs) {
      this.#refuseFirst(busy(`no carrier was free within ${this.#limits.waitMs} ms`, QUEUE_RETRY_MS));
    }
    this.#plan(nowMs);
  }

  /** An access asks for a carrier: it will be assigned one, or refused. */
  request(waiter: Waiter, nowMs: number): void {
    const { waitingMax, carriersMax, pool } = this.#limits;
    const { ready, idle, stopping } = this.counts;
    const isFull = pool === 0 && ready - idle + stopping + this.#waiting.length >= carriersMax;
    this.#waiting.push({ waiter, sinceMs: nowMs });
    this.#demand.note(nowMs);
    this.#refillMs ??= nowMs + REFILL_MS;
    if (this.#isClosed) return this.#refuseLast(new DuowireError("going_away"));
    if (isFull) return this.#refuseLast(busy(`all ${carriersMax} carriers of the service are in use`, FULL_RETRY_MS));
    this.#plan(nowMs);
    if (this.#waiting.length > waitingMax) {
      this.#refuseLast(busy(`${waitingMax} accesses wait for a carrier already`, QUEUE_RETRY_MS));
    }
  }

  /** A carrier that was to start has: it can take sessions. */
  started(number: number, nowMs: number): void {
    const carrier = this.#carriers.get(number);
    if (carrier?.state !== "starting") return;
    carrier.state = "ready";
    carrier.readyMs = nowMs;
    this.#failure = undefined;
    this.#plan(nowMs);
  }

  /**
   * A carrier has ended: it failed to start, was stopped, or died. `failure` is what an access is refused with if it
   * was the carrier's own fault and none can be started for a while.
   */
  ended(number: number, failure: DuowireError, nowMs: number): void {
    const carrier = this.#carriers.get(number);
    if (carrier === undefined) return;
    this.#forgive(nowMs);
    this.#carriers.delete(number);
    if (this.#isFault(carrier, nowMs)) this.#failed(carrier.state === "starting" ? failure : undefined, nowMs);
    this.#plan(nowMs);
  }

  /** Whether the end of this carrier speaks against the next one. What dies of a session's doing says nothing of it. */
  #isFault({ state, isUsed, readyMs }: Carrier, nowMs: number): boolean {
    if (state !== "ready" || !isUsed) return state !== "stopping";
    // The next of a pool is started without being asked for: not on and on, when each dies with the first sessions.
    return this.#isShared && nowMs - readyMs < LASTING_MS;
  }

  /** A session of this carrier has ended. */
  left(number: number, nowMs: number): void {
    const carrier = this.#carriers.get(number);
    if (carrier === undefined) return;
    carrier.sessions -= 1;
    if (!this.#isShared) this.#stop(number, carrier);
    this.#plan(nowMs);
  }

  /** Starts nothing more, refuses whoever waits, stops every carrier without a session; the others as they are left. */
  close(): void {
    this.#isClosed = true;
    while (this.#waiting.length > 0) this.#refuseFirst(new DuowireError("going_away"));
    for (const [number, carrier] of this.#carriers) if (carrier.sessions === 0) this.#stop(number, carrier);
  }

  get #isShared(): boolean {
    return this.#limits.pool > 0;
  }

  /** When a carrier may be started again. */
  get #retryMs(): number {
    if (this.#failures === 0) return Number.NEGATIVE_INFINITY;
    const [leastMs, mostMs] = BACK_OFF_MS;
    return this.#failedMs + Math.min(leastMs * 2 ** (this.#failures - 1), mostMs);
  }

  #plan(nowMs: number): void {
    this.#assign();
    if (this.#isClosed) return;
    if (nowMs < this.#retryMs) this.#refuseUnserved();
    else this.#start(nowMs);
    this.#shrink(nowMs);
  }

  #assign(): void {
    while (this.#waiting.length > 0) {
      const number = this.#leastLoaded();
      if (number === undefined) return;
      const carrier = this.#carriers.get(number) as Carrier;
      carrier.sessions += 1;
      carrier.isUsed = true;
      const { waiter } = this.#waiting.shift() as { waiter: Waiter };
      this.#actions.push({ kind: "assign", carrier: number, waiter });
    }
  }

  #leastLoaded(): number | undefined {
    let least: number | undefined;
    let sessions = Number.POSITIVE_INFINITY;
    for (const [number, carrier] of this.#carriers) {
      if (carrier.state !== "ready" || (!this.#isShared && carrier.isUsed) || carrier.sessions >= sessions) continue;
      least = number;
      sessions = carrier.sessions;
    }
    return least;
  }

  #start(nowMs: number): void {
    const { pool, carriersMax, startsMax } = this.#limits;
    const { starting, ready, idle, waiting } = this.counts;
    if (this.#refillMs !== undefined && this.#refillMs <= nowMs) this.#refillMs = undefined;
    const warm = this.#refillMs === undefined ? this.#demand.warm(nowMs) : 0;
    const wanted = this.#isShared ? pool - ready - starting : waiting + warm - idle - starting;
    // A shared carrier that is being stopped was replaced on purpose: it does not count among the pool's.
    const room = (this.#isShared ? pool + startsMax : carriersMax) - this.#carriers.size;
    // After a failed start, one at a time finds out whether the next does better.
    const most = this.#failure === undefined ? startsMax : 1;
    for (let count = Math.min(wanted, room, most - starting); count > 0; count--) {
      this.#lastNumber += 1;
      this.#carriers.set(this.#lastNumber, {
        state: "starting",
        sessions: 0,
        isUsed: false,
        readyMs: Number.POSITIVE_INFINITY,
      });
      this.#actions.push({ kind: "start", carrier: this.#lastNumber });
    }
  }

  /** Stops those that were started ahead for a rush that is over. */
  #shrink(nowMs: number): void {
    if (this.#isShared) return;
    let excess = this.counts.idle - this.#demand.warm(nowMs);
    for (const [number, carrier] of this.#carriers) {
      if (excess <= 0) return;
      if (!isIdle(carrier)) continue;
      this.#stop(number, carrier);
      excess -= 1;
    }
  }

  #stop(number: number, carrier: Carrier): void {
    if (carrier.state === "stopping") return;
    carrier.state = "stopping";
    this.#actions.push({ kind: "stop", carrier: number });
  }

  /** A start after the last failure that has lasted ends the row of failures. */
  #forgive(nowMs: number): void {
    for (const { readyMs } of this.#carriers.values()) {
      if (readyMs > this.#failedMs && nowMs - readyMs >= LASTING_MS) this.#failures = 0;
    }
  }

  #failed(startFailure: DuowireError | undefined, nowMs: number): void {
    this.#failures = nowMs - this.#failedMs < FORGIVE_MS ? this.#failures + 1 : 1;
    this.#failedMs = nowMs;
    this.#failure = startFailure ?? this.#failure;
  }

  /** After a failed start, refuses the accesses that no carrier is being started for: none will be for a while. */
  #refuseUnserved(): void {
    const { starting } = this.counts;
    if (this.#failure === undefined || (this.#isShared && starting > 0)) return;
    while (this.#waiting.length > starting) this.#refuseFirst(this.#failure);
  }

  #refuseFirst(error: DuowireError): void {
    const first = this.#waiting.shift();
    if (first !== undefined) this.#actions.push({ kind: "refuse", waiter: first.waiter, error });
  }

  #refuseLast(error: DuowireError): void {
    const last = this.#waiting.pop();
    if (last !== undefined) this.#actions.push({ kind: "refuse", waiter: last.waiter, error });
  }
}

function isIdle(carrier: Carrier): boolean {
  return carrier.state === "ready" && !carrier.isUsed;
}

function busy(message: string, retryAfterMs: number): DuowireError {
  return new DuowireError("server_busy", message, { retryAfterMs });
}

/** Accesses are counted over this time: longer than a start takes, so that as many as come meanwhile find one ready. */
const RUSH_MS = 1_000;
/** A rush is remembered for one to two of these. */
const REMEMBER_MS = 30_000;

/** How many carriers to keep ready: as many accesses as came in the busiest second of the last half to whole minute. */
class Demand {
  readonly #limits: PoolLimits;
  /** The times of the last accesses, as many as can matter. */
  readonly #recent: number[] = [];
  #peak = 0;
  #peakBefore = 0;
  /** When the present peak becomes the one before. */
  nextMs: number;

  constructor(limits: PoolLimits, nowMs: number) {
    this.#limits = limits;
    this.nextMs = nowMs + REMEMBER_MS;
  }

  note(nowMs: number): void {
    this.#turn(nowMs);
    const recent = this.#recent;
    recent.push(nowMs);
    while (recent.length > this.#limits.warmMax || (recent[0] as number) <= nowMs - RUSH_MS) recent.shift();
    this.#peak = Math.max(this.#peak, recent.length);
  }

  warm(nowMs: number): number {
    this.#turn(nowMs);
    const { warmMin, warmMax } = this.#limits;
    return Math.min(Math.max(this.#peak, this.#peakBefore, warmMin), warmMax);
  }

  #turn(nowMs: number): void {
    if (nowMs < this.nextMs) return;
    // After a long silence both are over.
    this.#peakBefore = nowMs < this.nextMs + REMEMBER_MS ? this.#peak : 0;
    this.#peak = 0;
    this.nextMs = nowMs + REMEMBER_MS;
  }
}
