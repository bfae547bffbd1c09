/** When a session on plain HTTP, which works everywhere, looks for an upgrade, which is better: soon, then rarer. */
import type { CancelTimer, Clock } from "../base/clock.js";

/** It looks after this long, later after up to as long as the second figure. */
const FIRST_MS = 2_000;
const WAIT_MS_MAX = 300_000;
const GROWTH = 3;

/** The looks of one session. */
export class Upward {
  private waitMs = FIRST_MS;
  private cancel: CancelTimer | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly look: () => void,
  ) {}

  /** A look is planned. */
  get isPlanned(): boolean {
    return this.cancel !== undefined;
  }

  /** Plans the next look, if none is planned, or gives it up. */
  plan(isWanted: boolean): void {
    if (isWanted && this.isPlanned) return;
    this.cancel?.();
    this.cancel = isWanted ? this.clock.after(this.waitMs, () => this.now()) : undefined;
  }

  /** An upgrade was found, or the network may be another one: the next wait is short again. */
  begin(): void {
    this.waitMs = FIRST_MS;
  }

  /** Looks now; the next wait is longer. */
  now(): void {
    this.cancel?.();
    this.cancel = undefined;
    this.waitMs = Math.min(WAIT_MS_MAX, this.waitMs * GROWTH);
    this.look();
  }
}
