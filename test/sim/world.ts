/**
 * Virtual time: one queue of events for everything that happens, ordered by time, then by who asked first.
 * Machines are where code runs; each has clocks of its own, and may sleep or crash.
 */
import type { CancelTimer, Clock } from "../../src/base/clock.js";
import { SimulationFailure } from "./failure.js";
import type { Random } from "./random.js";
import type { Trace } from "./trace.js";

/** Something that will happen; {@link Happening.run} is taken away when it must not any more. */
interface Happening {
  readonly at: number;
  readonly order: number;
  run: (() => void) | undefined;
}

/** More events than this at one moment, or in one history, and something spins. */
const EVENTS_AT_ONCE_MAX = 5_000;
const EVENTS_MAX = 400_000;

/** The time, and what is to happen. */
export class World {
  /** Virtual milliseconds since the beginning. No machine's clock shows them. */
  now = 0;
  /** Events so far. */
  events = 0;
  /** Promises may have something to do before the next event: the list of processes is made of promises. */
  promisesWait = false;
  private readonly heap: Happening[] = [];
  private order = 0;
  private eventsAtOnce = 0;

  constructor(
    readonly random: Random,
    readonly trace: Trace,
  ) {}

  /** Has `run` happen at `at`, or now if that has passed. */
  at(at: number, run: () => void): CancelTimer {
    const happening: Happening = { at: Math.max(at, this.now), order: this.order++, run };
    this.push(happening);
    return () => {
      happening.run = undefined;
    };
  }

  after(ms: number, run: () => void): CancelTimer {
    return this.at(this.now + ms, run);
  }

  /** Lets the next thing happen, if it is not later than `until`; false when there is none. */
  step(until: number): boolean {
    const next = this.heap[0];
    if (next === undefined || next.at > until) {
      this.now = Math.max(this.now, Math.min(until, next?.at ?? until));
      return false;
    }
    this.pop();
    if (next.run === undefined) return true;
    this.eventsAtOnce = next.at > this.now ? 0 : this.eventsAtOnce + 1;
    this.events += 1;
    this.now = next.at;
    if (this.eventsAtOnce > EVENTS_AT_ONCE_MAX || this.events > EVENTS_MAX) {
      throw new SimulationFailure("spins", `${this.events} events, ${this.eventsAtOnce} of them at this moment`);
    }
    next.run();
    return true;
  }

  private push(happening: Happening): void {
    const { heap } = this;
    let place = heap.length;
    heap.push(happening);
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = heap[above] as Happening;
      if (!isBefore(happening, parent)) break;
      heap[place] = parent;
      place = above;
    }
    heap[place] = happening;
  }

  private pop(): void {
    const { heap } = this;
    const last = heap.pop() as Happening;
    if (heap.length === 0) return;
    let place = 0;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && isBefore(heap[below + 1] as Happening, heap[below] as Happening)) below += 1;
      const child = heap[below] as Happening;
      if (!isBefore(child, last)) break;
      heap[place] = child;
      place = below;
    }
    heap[place] = last;
  }
}

function isBefore(a: Happening, b: Happening): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** A timer that is this early, by rounding, fires nevertheless. */
const EARLY_MS_MAX = 1e-6;
/** A machine on which more timers than this fire in a second keeps its processor busy with nothing. */
const TIMERS_A_SECOND_MAX = 250;

/** A machine: code runs here by its clocks, and stops while it sleeps. */
export class Machine implements Clock {
  /** Timers that were started and have neither fired nor been cancelled. */
  timers = 0;
  isAsleep = false;
  isCrashed = false;
  /** Called when it wakes, as a platform tells a page or a program. */
  woke: () => void = () => {};
  /** How fast its clock runs: 1.0001 is one that gains 0.1 ms a second. */
  private readonly rate: number;
  private monoBase: number;
  private readonly wallBase: number;
  private wallJumpMs = 0;
  /** When its monotonic clock last began to run again; Infinity while it stands. */
  stoodAt = Number.NEGATIVE_INFINITY;
  /** When somebody last set the wall clock. */
  jumpedAt = Number.NEGATIVE_INFINITY;
  private rateNow: number;
  private since = 0;
  /** What happened to a machine that did not look: timers that are due, and what came from outside. */
  private readonly dueTimers: (() => void)[] = [];
  private readonly inputs: (() => void)[] = [];
  private readonly turnEnds: (() => void)[] = [];
  /** What came from outside while nobody looked, and has not been told yet. */
  inputsWaiting = 0;
  private second = 0;
  private firedInSecond = 0;

  constructor(
    readonly world: World,
    readonly name: string,
  ) {
    const { random } = world;
    this.rate = 1 + random.between(-2e-4, 2e-4);
    this.rateNow = this.rate;
    this.monoBase = random.below(1e9);
    this.wallBase = 1.7e12 + random.below(1e9);
  }

  monotonicMs(): number {
    return this.monoBase + (this.world.now - this.since) * this.rateNow;
  }

  wallMs(): number {
    return Math.floor(this.wallBase + this.wallJumpMs + this.world.now);
  }

  /** As in Node: whole milliseconds, at least one, cut off, so that a timer may be up to one millisecond early. */
  after(ms: number, run: () => void): CancelTimer {
    const due = this.monotonicMs() + Math.max(1, Math.trunc(ms));
    let isOver = false;
    const end = () => {
      if (!isOver) this.timers -= 1;
      isOver = true;
    };
    const fire = () => {
      if (isOver || this.isCrashed) return;
      if (this.isAsleep) {
        this.dueTimers.push(fire);
        return;
      }
      const earlyMs = due - this.monotonicMs();
      if (earlyMs > EARLY_MS_MAX) {
        this.world.after(earlyMs / this.rate, fire);
        return;
      }
      end();
      this.countFired();
      run();
    };
    this.timers += 1;
    this.world.after((due - this.monotonicMs()) / this.rate, fire);
    return end;
  }

  atTurnEnd(run: () => void): void {
    const end = () => {
      if (this.isAsleep) this.turnEnds.push(end);
      else if (!this.isCrashed) run();
    };
    this.world.after(0, end);
  }

  /** Something comes from outside, after `ms`: it is noticed then, or when the machine wakes, or never. */
  arrive(run: () => void, ms: number): void {
    const notice = () => {
      if (this.isCrashed) return;
      if (!this.isAsleep) return run();
      this.inputsWaiting += 1;
      this.inputs.push(() => {
        this.inputsWaiting -= 1;
        notice();
      });
    };
    this.world.after(ms, notice);
  }

  /** Sleeps. Its monotonic clock stands still, or goes on; its wall clock goes on in any case. */
  sleep(ms: number, clockStands: boolean): void {
    this.pause(ms, clockStands, () => this.woke());
  }

  /** Is busy with something else: its clocks go on, and nobody is told when it goes on itself. */
  stall(ms: number): void {
    this.pause(ms, false, () => {});
  }

  private pause(ms: number, clockStands: boolean, isOver: () => void): void {
    if (this.isAsleep || this.isCrashed) return;
    this.rebase(clockStands ? 0 : this.rate);
    if (clockStands) this.stoodAt = Number.POSITIVE_INFINITY;
    this.isAsleep = true;
    this.world.after(ms, () => this.goOn(isOver));
  }

  /** Somebody sets the wall clock. */
  jumpWall(ms: number): void {
    this.wallJumpMs += ms;
    this.jumpedAt = this.world.now;
  }

  /** Whatever runs here is gone, at once and for good. */
  crash(): void {
    this.isCrashed = true;
    this.dueTimers.length = this.inputs.length = this.turnEnds.length = 0;
    this.timers = 0;
  }

  private countFired(): void {
    const second = Math.floor(this.world.now / 1_000);
    this.firedInSecond = second === this.second ? this.firedInSecond + 1 : 1;
    this.second = second;
    if (this.firedInSecond > TIMERS_A_SECOND_MAX) {
      throw new SimulationFailure("spins", `${this.firedInSecond} timers within one second on ${this.name}`);
    }
  }

  /** As a platform does it: the timers first, then what has come meanwhile, and that is one turn. */
  private goOn(isOver: () => void): void {
    if (this.isCrashed) return;
    if (this.rateNow === 0) this.stoodAt = this.world.now;
    this.rebase(this.rate);
    this.isAsleep = false;
    for (const missed of [this.dueTimers, this.inputs, this.turnEnds])
      for (const run of missed.splice(0)) this.world.after(0, run);
    this.world.after(0, isOver);
  }

  private rebase(rateNow: number): void {
    this.monoBase = this.monotonicMs();
    this.since = this.world.now;
    this.rateNow = rateNow;
  }
}
