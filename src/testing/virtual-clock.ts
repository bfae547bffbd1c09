/** A clock that stands still until a test moves it: minutes of outage pass in no time, the same each run. */
import { type CancelTimer, type Clock, systemClock } from "../base/clock.js";

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** Turns of the event loop that settle what one timer has set off: promises, streams, links in memory. */
const TURNS_PER_STEP = 6;

/** Time for a test. Only timers are virtual: the turns of the event loop are real. */
export class VirtualClock implements Clock {
  private now = 0;
  private count = 0;
  private readonly timers = new Set<Timer>();

  monotonicMs(): number {
    return this.now;
  }

  wallMs(): number {
    return this.now;
  }

  after(ms: number, run: () => void): CancelTimer {
    const timer = { at: this.now + Math.max(0, ms), order: this.count++, run };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }

  atTurnEnd(run: () => void): void {
    systemClock.atTurnEnd(run);
  }

  /** Lets `ms` pass: every timer due until then runs at its time, and what it sets off has settled before the next. */
  async advance(ms: number): Promise<void> {
    const end = this.now + ms;
    await this.settle();
    for (let timer = this.next(end); timer !== undefined; timer = this.next(end)) {
      this.timers.delete(timer);
      this.now = Math.max(this.now, timer.at);
      timer.run();
      await this.settle();
    }
    this.now = end;
    await this.settle();
  }

  /** Lets a few turns of the event loop pass, and no time. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < TURNS_PER_STEP; turn++) await new Promise<void>((done) => systemClock.atTurnEnd(done));
  }

  private next(end: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.timers) {
      const isSooner =
        first === undefined || timer.at < first.at || (timer.at === first.at && timer.order < first.order);
      if (timer.at <= end && isSooner) first = timer;
    }
    return first;
  }
}
