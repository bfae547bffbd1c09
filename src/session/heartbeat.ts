/**
 * How long a client lets its path be silent before it asks for a sign of life (G4). Only the client can open a path, so
 * what a server says into a dead one waits until then: soon after it has spoken, and rarely once both are idle.
 */

/** An idle client looks whether the path is alive this often. */
export const HEARTBEAT_IDLE_MS = 15_000;
/**
 * A client that waits for an answer looks this often: the server may have nothing to send yet. So does one that has
 * just heard of the server, which may go on; then after twice as long each time.
 */
export const HEARTBEAT_BUSY_MS = 1_000;
/** Where idle paths die, this often at most. */
export const HEARTBEAT_NARROW_MS = 4_000;
/** A silence that so many paths in a row did not live through is too long here. */
const DEATHS = 2;
/** After so many silences that it lived through a path is trusted with a longer one; each relapse doubles it. */
const TRUST = 8;
const TRUST_MAX = 256;

/** The heartbeat of one session, over all its paths. */
export class Heartbeat {
  private quietMs = HEARTBEAT_IDLE_MS;
  private idleMs = HEARTBEAT_IDLE_MS;
  /** The silence that ended with the heartbeat that is out. */
  private silenceMs: number | undefined;
  private deaths = 0;
  private survivals = 0;
  private trust = TRUST;

  /** The next heartbeat is due after so long a silence. */
  dueAfterMs(isBusy: boolean): number {
    return isBusy ? HEARTBEAT_BUSY_MS : this.quietMs;
  }

  /** The far side has said something of its own accord. */
  talked(): void {
    this.quietMs = HEARTBEAT_BUSY_MS;
  }

  /** A heartbeat was sent after a silence of `silenceMs`; undefined for another PING. */
  sent(silenceMs: number | undefined): void {
    // After a longer silence than was meant the machine has slept: that says nothing of the path.
    this.silenceMs = silenceMs === undefined || silenceMs >= 2 * this.quietMs ? undefined : silenceMs;
  }

  /** The PING that was sent last was answered. */
  answered(): void {
    if (this.silenceMs === undefined) return;
    if (this.silenceMs >= this.idleMs) this.survived();
    this.silenceMs = undefined;
    this.quietMs = Math.min(this.idleMs, 2 * this.quietMs);
  }

  /** The path was given up, or died. */
  pathLost(): void {
    const { silenceMs } = this;
    this.silenceMs = undefined;
    if (silenceMs === undefined || silenceMs < HEARTBEAT_NARROW_MS) return;
    this.survivals = 0;
    this.deaths += 1;
    if (this.deaths < DEATHS) return;
    this.deaths = 0;
    this.trust = Math.min(TRUST_MAX, 2 * this.trust);
    this.idleMs = Math.max(HEARTBEAT_NARROW_MS, Math.min(this.idleMs, silenceMs / 2));
    this.quietMs = Math.min(this.quietMs, this.idleMs);
  }

  private survived(): void {
    this.deaths = 0;
    this.survivals += 1;
    if (this.survivals < this.trust) return;
    this.survivals = 0;
    this.idleMs = Math.min(HEARTBEAT_IDLE_MS, 2 * this.idleMs);
  }
}
