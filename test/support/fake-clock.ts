import type { CancelTimer, Clock } from "../../src/base/clock.js";

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** A clock that stands still until it is told how much time passes. Everything runs in order, and at once. */
export class FakeClock implements Clock {
  now = 0;
  /** What the wall clock says beyond the monotonic one. */
  wallAheadMs = 1_000_000;
  private timers: Timer[] = [];
  private order = 0;

  /** Timers that run, turn ends included. */
  get waiting(): number {
    return this.timers.length;
  }

  monotonicMs(): number {
    return this.now;
  }

  wallMs(): number {
    return this.now + this.wallAheadMs;
  }

  after(ms: number, run: () => void): CancelTimer {
    const timer = { at: this.now + ms, order: this.order++, run };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((one) => one !== timer);
    };
  }

  atTurnEnd(run: () => void): void {
    this.after(0, run);
  }

  /** Ends the turn: what is due now happens. */
  endTurn(): void {
    this.pass(0);
  }

  /** Time passes. */
  pass(ms: number): void {
    const until = this.now + ms;
    for (;;) {
      const [next] = this.timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at || a.order - b.order);
      if (next === undefined) break;
      this.timers = this.timers.filter((one) => one !== next);
      this.now = Math.max(this.now, next.at);
      next.run();
    }
    this.now = until;
  }
}
