/**
 * The nursery of a host: starts carriers as the plan says, watches that they turn, gives them to sessions, and tells
 * how each ended. What is decided when is pool-plan.ts's and heartbeat.ts's; this file only carries it out.
 */
import { basename } from "node:path";
import type { CarrierReport } from "../access/carrier-report.js";
import type { CancelTimer, Clock } from "../base/clock.js";
import { type Deferred, deferred } from "../base/deferred.js";
import { DuowireError } from "../base/errors.js";
import type { Carrier, CarrierEnd, CarrierKind, CarrierOptions, Nursery, StartCarrier } from "./carrier.js";
import { type EndKnowledge, explainEnd } from "./carrier-end.js";
import type { CarrierLimits } from "./carrier-limits.js";
import { Heartbeat, type HeartbeatLimits } from "./heartbeat.js";
import { type PoolAction, type PoolLimits, PoolPlan } from "./pool-plan.js";

/** What a pool is made of. */
export interface CarrierPoolOptions {
  readonly kind: CarrierKind;
  readonly start: StartCarrier;
  readonly carrier: CarrierOptions;
  readonly pool: PoolLimits;
  readonly heartbeat: HeartbeatLimits;
  readonly limits: CarrierLimits;
  readonly clock: Clock;
}

/** How long a carrier that was told to leave may take before it is killed. */
const LEAVE_MS = 2_000;

/** A carrier with what the pool knows of it. */
interface Member {
  readonly number: number;
  readonly carrier: Carrier;
  readonly startedMs: number;
  sessions: number;
  isLoaded: boolean;
  /** Why it could not be used, as `ready` said. */
  failure: DuowireError | undefined;
  killedFor: EndKnowledge["killedFor"];
}

/** Carriers of one service: started ahead, watched, shared if so wished. */
export class CarrierPool implements Nursery {
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

  take(): Promise<Carrier> {
    const taken = deferred<Carrier>();
    this.#plan.request(taken, this.#nowMs);
    this.#carryOut();
    return taken.promise;
  }

  release(carrier: Carrier): void {
    const member = this.#byCarrier.get(carrier);
    if (member === undefined) return;
    member.sessions -= 1;
    if (this.#isClosed && member.sessions === 0) this.#leave(member);
    this.#plan.left(member.number, this.#nowMs);
    this.#carryOut();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#plan.close();
    this.#carryOut();
    if (this.#members.size === 0) this.#emptied.resolve();
    await this.#emptied.promise;
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
      killedFor: undefined,
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
    member.failure ??=
      error instanceof DuowireError && error.code === "service_failed"
        ? error
        : this.#startFailure("could not be loaded", error);
    this.#kill(member, "start_failed", member.failure.message);
  }

  #ended(member: Member, end: CarrierEnd): void {
    const { kind, limits } = this.#options;
    const { killedFor, number, carrier, sessions, isLoaded } = member;
    this.#members.delete(number);
    this.#byCarrier.delete(carrier);
    this.#heartbeat.forget(member);
    const explained = explainEnd(end, { kind, limits, killedFor });
    // Whatever ended it while it loaded its module, a session never had it.
    const isStart = !isLoaded && explained.cause !== "stopped";
    if (isStart) member.failure ??= this.#startFailure(`failed while it was loaded: ${explained.reason}`, end.error);
    const failure = member.failure ?? new DuowireError("service_failed", explained.reason);
    const cause = isStart && explained.cause === "exit" ? "start_failed" : explained.cause;
    this.#plan.ended(number, failure, this.#nowMs);
    this.#carryOut();
    const error = end.error ?? member.failure?.cause;
    const reason = isStart ? failure.message : explained.reason;
    this.#report({
      kind,
      number: carrier.number,
      cause,
      reason,
      sessions,
      error,
      livedMs: this.#nowMs - member.startedMs,
    });
    if (this.#members.size > 0) return;
    this.#cancelTick?.();
    this.#cancelTick = undefined;
    if (this.#isClosed) this.#emptied.resolve();
  }

  /** Tells a carrier without sessions to exit, and sees to it that it does. */
  #leave(member: Member): void {
    if (member.killedFor !== undefined) return;
    member.killedFor = { cause: "stopped", reason: "it was not needed any more" };
    member.carrier.post({ type: "leave" });
    const cancel = this.#options.clock.after(LEAVE_MS, () => member.carrier.kill("it did not leave"));
    void member.carrier.ended.then(cancel);
  }

  #kill(member: Member, cause: "stuck" | "start_failed", reason: string): void {
    member.killedFor ??= { cause, reason };
    member.carrier.kill(reason);
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

  /** Names the module without its folder: clients are told, and where it lies is not their business. */
  #startFailure(what: string, cause?: unknown): DuowireError {
    const module = basename(this.#options.carrier.module.pathname);
    return new DuowireError("service_failed", `the service's module ${module} ${what}`, { side: "local", cause });
  }
}
