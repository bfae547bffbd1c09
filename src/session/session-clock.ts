/**
 * The two session clocks (D14): milliseconds since the session began, at this side and, as far as it can be known, at
 * the far side. Deadlines are points on their sender's clock, so that no two machines need the same time.
 */
export class SessionClock {
  /** How far the far side's clock is ahead of ours, by its freshest statement. */
  private peerAheadMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly startedAt: number) {}

  /** This side's session clock, in whole milliseconds. */
  localMs(now: number): number {
    return Math.max(0, Math.floor(now - this.startedAt));
  }

  /** The far side's session clock, never ahead of the truth: what it stated last, and the time since. */
  peerMs(now: number): number {
    return Math.max(0, now - this.startedAt + this.peerAheadMs);
  }

  /** The far side stated its clock with an attach or a welcome. Counts in any case: its clock may have stood still. */
  statedAtAttach(clockMs: number, now: number): void {
    this.peerAheadMs = clockMs - (now - this.startedAt);
  }

  /** The far side stated its clock with a batch. The largest statement counts: a replayed batch carries its first. */
  stated(clockMs: number, now: number): void {
    this.peerAheadMs = Math.max(this.peerAheadMs, clockMs - (now - this.startedAt));
  }
}
