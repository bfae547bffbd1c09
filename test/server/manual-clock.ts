import type { Clock } from "../../src/base/clock.js";

/** A clock that stands still until a test moves it: timers run in the order of their time. */
export class ManualClock implements Clock {
  private now = 1_000_000;
  private readonly timers = new Set<{ at: number; run: () => void }>();

  monotonicMs(): number {
    return this.now;
  }

  wallMs(): number {
    return 1_800_000_000_000 + this.now;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.now + Math.max(0, ms), run };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }

  atTurnEnd(run: () => void): void {
    setImmediate(run);
  }

  /** How many timers wait. */
  get waiting(): number {
    return this.timers.size;
  }

  /** Moves time on and runs what is due. */
  advance(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const [next] = [...this.timers].filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.timers.delete(next);
      this.now = Math.max(this.now, next.at);
      next.run();
    }
    this.now = end;
  }
}
