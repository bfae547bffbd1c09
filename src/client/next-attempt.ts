/** The timer of a search for a path: when the next attempt is made. */
import type { CancelTimer, Clock } from "../base/clock.js";
import type { Attempts } from "./attempts.js";

/** What is known of the attempt that runs. */
export interface RunningAttempt {
  /** Undefined when none runs. */
  readonly startedAt: number | undefined;
  readonly roundTripMs: number | undefined;
}

/** One search's next attempt. */
export class NextAttempt {
  private restUntil = 0;
  private cancel: CancelTimer | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly attempts: Attempts,
    private readonly running: () => RunningAttempt,
    private readonly begin: () => void,
  ) {}

  /** How long the far side still wants to be left alone; 0 or less: not at all. */
  get restMs(): number {
    return this.restUntil - this.clock.monotonicMs();
  }

  /** The far side asked to be left alone for so long: nothing is tried before, whatever else fails meanwhile. */
  rest(ms: number): void {
    this.restUntil = this.clock.monotonicMs() + ms;
  }

  /** It is made after `ms`, and no other one before. */
  after(ms: number): void {
    const { clock } = this;
    const waitMs = Math.max(ms, this.restMs);
    const dueAt = clock.monotonicMs() + waitMs;
    this.stop();
    this.cancel = clock.after(waitMs, () => {
      const pauseMs = this.pauseMs(clock.monotonicMs() - dueAt);
      if (pauseMs > 0) this.after(pauseMs);
      else this.begin();
    });
  }

  /** None is made. */
  stop(): void {
    this.cancel?.();
    this.cancel = undefined;
  }

  /** A pause of this process is no reason to give up the attempt that runs, or to make another one beside it. */
  private pauseMs(lateMs: number): number {
    const { startedAt = Number.NEGATIVE_INFINITY, roundTripMs } = this.running();
    const now = this.clock.monotonicMs();
    return this.attempts.restMs(lateMs, now - startedAt, roundTripMs, now);
  }
}
