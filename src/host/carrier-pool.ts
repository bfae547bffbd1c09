/**
 * Where a host gets its carriers from: starts them as the plan says, watches that they turn, gives them to sessions,
 * and tells how each ended. What is decided when is pool-plan.ts's and heartbeat.ts's; this file only carries it out.
 */
import type { CarrierReport } from "../access/carrier-report.js";
import type { CancelTimer, Clock } from "../base/clock.js";
import { type Deferred, deferred } from "../base/deferred.js";
import { DuowireError } from "../base/errors.js";
import type { Carrier, CarrierEnd, CarrierOptions, KillCause, StartCarrier } from "./carrier.js";
import { Heartbeat, type HeartbeatLimits } from "./heartbeat.js";
import { type PoolAction, type PoolLimits, PoolPlan } from "./pool-plan.js";

/** What a pool is made of. */
export interface CarrierPoolOptions {
  readonly start: StartCarrier;
  readonly carrier: CarrierOptions;
  readonly pool: PoolLimits;
  readonly heartbeat: HeartbeatLimits;
  readonly clock: Clock;
}

/** How long a carrier that was told to leave may take before it is killed. */
const LEAVE_MS = 2_000;

/** How long sessions that have ended may take to dispose of their services: a little more than each of them may. */
const CLOSE_MS = 15_000;

/** What clients are told of a start that failed; why is for the server's program. */
const NOT_LOADED = "the service's module could not be loaded";

/** A carrier with what the pool knows of it. */
interface Member {
  readonly number: number;
  readonly carrier: Carrier;
  readonly startedMs: number;
  sessions: number;
  isLoaded: boolean;
  /** Why it could not be used, in full. */
  failure: Error | undefined;
  /** It was told to leave: whatever ends it now is no crash. */
  isLeaving: boolean;
}

/** Carriers of one service: started ahead, watched, shared if so wished. */
export class CarrierPool {
  readonly #options: CarrierPoolOptions;
  readonly #plan: PoolPlan<Deferred<Carrier>>;
  readonly #heartbeat: Heartbeat<Member>;
  readonly #members = new Map<number, Member>();
  readonly #byCarrier = new Map<Carrier, Member>();
  readonly #report: (report: CarrierReport) => void;
  readonly #emptied: Deferred<void> = deferred();
  #isClosed = false;
  #cancelTick: CancelTimer | undefined;
  #cancelPlan: CancelTimer | undefined;

  /** Starts the first carriers at once. `report` is told of every carrier that ended; it must not throw. */
  constructor(options: CarrierPoolOptions, report: (report: CarrierReport) => void) {
    const nowMs = options.clock.monotonicMs();
    this.#options = options;
    this.#report = report;
    this.#heartbeat = new Heartbeat(options.heartbeat, nowMs);
    this.#plan = new PoolPlan(options.pool, nowMs);
    this.#carryOut();
  }

  /** How many carriers there are in each state. */
  get counts(): PoolPlan<unknown>["counts"] {
    return this.#plan.counts;
  }

  /** A carrier for one more session, loaded; rejects `service_failed`, `server_busy` or `going_away`. */
  take(): Promise<Carrier> {
    const taken = deferred<Carrier>();
    this.#plan.request(taken, this.#nowMs);
    this.#carryOut();
    return taken.promise;
  }

  /** One session that a carrier was taken for is over, and its service disposed of. Call it once for each `take`. */
  release(carrier: Carrier): void {
    const member = this.#byCarrier.get(carrier);
    if (member === undefined) return;
    member.sessions -= 1;
    if (this.#isClosed && member.sessions === 0) this.#leave(member);
    this.#plan.left(member.number, this.#nowMs);
    this.#carryOut();
  }

  /**
   * Ends all carriers without a session, each other one when its last session is released, and after 15 s whatever is
   * left. Settles when none is; never rejects.
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#plan.close();
    this.#carryOut();
    if (this.#members.size === 0) return;
    const cancel = this.#options.clock.after(CLOSE_MS, () => {
      for (const { carrier } of this.#members.values()) carrier.kill("the server is closed");
    });
    await this.#emptied.promise;
    cancel();
  }

  get #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }

  #carryOut(): void {
    for (let action = this.#plan.poll(); action !== undefined; action = this.#plan.poll()) this.#do(action);
    this.#cancelPlan?.();
    const nowMs = this.#nowMs;
    const nextMs = this.#plan.nextMs(nowMs);
    this.#cancelPlan =
      nextMs === undefined
        ? undefined
        : this.#options.clock.after(nextMs - nowMs, () => {
            this.#plan.tick(this.#nowMs);
            this.#carryOut();
          });
    if (this.#cancelTick === undefined && this.#members.size > 0) this.#planTick();
  }

  #do(action: PoolAction<Deferred<Carrier>>): void {
    if (action.kind === "start") return this.#start(action.carrier);
    if (action.kind === "refuse") return action.waiter.reject(action.error);
    const member = this.#members.get(action.carrier);
    if (action.kind === "stop") {
      if (member !== undefined) this.#leave(member);
    } else if (member !== undefined) {
      member.sessions += 1;
      action.waiter.resolve(member.carrier);
    }
  }

  #start(number: number): void {
    const { start, carrier: options } = this.#options;
    const carrier = start(options);
    const member: Member = {
      number,
      carrier,
      startedMs: this.#nowMs,
      sessions: 0,
      isLoaded: false,
      failure: undefined,
      isLeaving: false,
    };
    this.#members.set(number, member);
    this.#byCarrier.set(carrier, member);
    this.#heartbeat.watch(member, member.startedMs);
    carrier.listen((message) => {
      if (message.type === "pong") this.#heartbeat.answered(member);
    });
    carrier.ready.then(
      () => this.#loaded(member),
      (error: unknown) => this.#unusable(member, error),
    );
    void carrier.ended.then((end) => this.#ended(member, end));
  }

  #loaded(member: Member): void {
    if (!this.#members.has(member.number)) return;
    member.isLoaded = true;
    this.#heartbeat.loaded(member);
    this.#plan.started(member.number, this.#nowMs);
    this.#carryOut();
  }

  #unusable(member: Member, error: unknown): void {
    member.failure ??= error instanceof Error ? error : new Error(String(error));
    this.#kill(member, "start_failed", member.failure.message);
  }

  #ended(member: Member, end: CarrierEnd): void {
    const { number, carrier, sessions, startedMs } = member;
    this.#members.delete(number);
    this.#byCarrier.delete(carrier);
    this.#heartbeat.forget(member);
    const explained = this.#explain(member, end);
    const cause = member.failure ?? new Error(explained.reason, { cause: explained.error });
    this.#plan.ended(number, new DuowireError("service_failed", NOT_LOADED, { side: "local", cause }), this.#nowMs);
    this.#carryOut();
    const livedMs = this.#nowMs - startedMs;
    this.#report({ kind: carrier.kind, number: carrier.number, sessions, livedMs, ...explained });
    if (this.#members.size > 0) return;
    this.#cancelTick?.();
    this.#cancelTick = undefined;
    if (this.#isClosed) this.#emptied.resolve();
  }

  #explain(member: Member, { cause, reason, error }: CarrierEnd): Pick<CarrierReport, "cause" | "reason" | "error"> {
    if (member.isLeaving) return { cause: "stopped", reason: "it was not needed any more", error };
    if (member.isLoaded || cause === "stopped") return { cause, reason, error };
    // Whatever ended it while it loaded its module: no session ever had it.
    member.failure ??= this.#startFailure(`failed while it was loaded: ${reason}`, error);
    return { cause: "start_failed", reason: member.failure.message, error: error ?? member.failure.cause };
  }

  /** Tells a carrier without sessions to exit, and sees to it that it does. */
  #leave(member: Member): void {
    if (member.isLeaving) return;
    member.isLeaving = true;
    member.carrier.post({ type: "leave" });
    const cancel = this.#options.clock.after(LEAVE_MS, () => member.carrier.kill("it did not leave"));
    void member.carrier.ended.then(cancel);
  }

  #kill({ carrier }: Member, cause: KillCause, reason: string): void {
    carrier.kill(reason, cause);
  }

  #planTick(): void {
    this.#cancelTick = this.#options.clock.after(this.#heartbeat.intervalMs, () => {
      this.#planTick();
      this.#tick();
    });
  }

  #tick(): void {
    const { startMs, stuckMs } = this.#options.heartbeat;
    const { ping, late, stuck } = this.#heartbeat.tick(this.#nowMs);
    for (const { carrier } of ping) carrier.post({ type: "ping", number: 0 });
    for (const member of late) {
      member.failure = this.#startFailure(`did not finish loading within ${startMs / 1_000} s`);
      this.#kill(member, "start_failed", member.failure.message);
    }
    for (const member of stuck) {
      this.#kill(member, "stuck", `its event loop did not turn for ${stuckMs / 1_000} s`);
    }
  }

  #startFailure(what: string, cause?: unknown): Error {
    return new Error(`the service module ${this.#options.carrier.module.href} ${what}`, { cause });
  }
}
