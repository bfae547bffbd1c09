/**
 * When to try again (D12). An attempt that the network swallowed is repeated soon, since the next one may be the first
 * to meet a network that works again; one that was answered backs off with full jitter, so that a herd spreads out.
 */
import { type RandomOctets, randomFraction } from "../base/clock.js";

/** A swallowed attempt is repeated after this long, or after two round trips if that is longer. */
export const REPEAT_MS = 400;
/** After the first minute without success, after this long. */
export const REPEAT_SLOWLY_MS = 5_000;
const QUICK_FOR_MS = 60_000;
/** Attempts that may be under way at once. */
export const ATTEMPTS_AT_ONCE = 2;
/** What nothing has answered has this long at most, or six round trips: on a slow path three are gone when it opens. */
export const PATIENCE_MS = 5_000;
/**
 * The older of two attempts has this long at first. It may be the one that the network swallowed, and each younger one
 * too short-lived for a slow machine: so each older one that was given up doubles what the next one gets.
 */
export const OLDER_MS = 800;
/**
 * The older of two first accesses has this long, and until the next repeat: so it is over within the 10 s of
 * spec/access.md. It keeps its place in the queue of a server that is too busy to read it, where each one that was
 * given up is one more to be read in vain.
 */
export const OLDER_ACCESS_MS = 7_000;
/**
 * As long as nothing was ever heard, a repeat waits for a fifth of that time too: many that come at once would repeat
 * faster than their server can read, and nobody would get in before the minute is over.
 */
const UNHEARD_PARTS = 5;
const PATIENCE_ROUND_TRIPS = 6;
/** Of an attempt that took longer to open, a part was a pause and not the path. */
const OPENED_MS_MAX = 3_000;
/** A timer that is this late tells of a pause: this process was kept from its processor. */
const PAUSE_MS = 100;
/** Turns of the event loop that an attempt takes on this side: to connect, to ask, to hear the answer. */
const TURNS = 3;
/** The first wait after an answered attempt is up to this long; each further one up to twice as long. */
const BACK_OFF_MS = 100;
const BACK_OFF_MS_MAX = 5_000;
/** Where nobody listens at all, look again at least this often: it may be a restart, or the end. */
const REFUSED_MS_MAX = 800;
/** Nobody listened for this long: the server is gone, and the session's process with it (G2). */
export const GONE_MS = 3_000;

/** The schedule of one search for a path. */
export class Attempts {
  private answered = 0;
  private since: number;
  private refusedSince: number | undefined;
  /** Counted apart: a server that comes up again is not one that is busy. */
  private refusals = 0;
  private openedMs = 0;
  private late = 0;

  constructor(
    private readonly random: RandomOctets,
    now: number,
  ) {
    this.since = now;
  }

  /** A path was found: the next search begins anew. */
  succeeded(now: number): void {
    this.answered = this.refusals = this.late = 0;
    this.since = now;
    this.refusedSince = undefined;
  }

  /** The first moment of a search that was not running, or of one that a sleep has interrupted. */
  begin(now: number): void {
    this.since = now;
    this.refusedSince = undefined;
  }

  /** How long until an attempt that has brought nothing is joined by another one; without a round trip, an access. */
  repeatMs(roundTripMs: number | undefined, now: number): number {
    if (now - this.since > QUICK_FOR_MS) return REPEAT_SLOWLY_MS;
    const slowMs = roundTripMs === undefined ? (now - this.since) / UNHEARD_PARTS : 2 * roundTripMs;
    return Math.max(REPEAT_MS, slowMs, this.openedMs);
  }

  /** How long something may take that nothing has answered. */
  patienceMs(roundTripMs: number | undefined): number {
    return Math.max(PATIENCE_MS, this.slowMs(roundTripMs));
  }

  /** Whether the older of two attempts has had its time, while the younger was renewed; the next one gets more. */
  isLate(ageMs: number, roundTripMs: number | undefined): boolean {
    if (roundTripMs === undefined) return ageMs >= OLDER_ACCESS_MS;
    const isLate = ageMs >= Math.max(Math.min(PATIENCE_MS, OLDER_MS * 2 ** this.late), this.slowMs(roundTripMs));
    if (isLate) this.late += 1;
    return isLate;
  }

  /** Whether an attempt hangs for longer than a slow path takes: what it met is over, if another one came through. */
  hangs(ageMs: number, roundTripMs: number | undefined): boolean {
    return ageMs >= Math.max(OLDER_MS, this.slowMs(roundTripMs));
  }

  private slowMs(roundTripMs = 0): number {
    return Math.max(PATIENCE_ROUND_TRIPS * roundTripMs, 2 * this.openedMs);
  }

  /** An attempt let frames through after `ms`: where that takes long, more attempts only stand in each other's way. */
  opened(ms: number): void {
    this.openedMs = Math.min(ms, OPENED_MS_MAX);
  }

  /**
   * The timer for the next attempt was `lateMs` late, since this process was kept from its processor: attempts take as
   * many such pauses as they take turns. Returns how long the last one, `ageMs` old, is still to be waited for.
   */
  restMs(lateMs: number, ageMs: number, roundTripMs: number | undefined, now: number): number {
    if (lateMs <= PAUSE_MS) return 0;
    this.openedMs = Math.min(Math.max(this.openedMs, TURNS * lateMs), OPENED_MS_MAX);
    return this.repeatMs(roundTripMs, now) - ageMs;
  }

  /**
   * How long to wait after an attempt that was answered, but not by a link; the first time, not at all. A time that the
   * server asked for is the least, and as much as half of it more: those that it turned away do not come back at once.
   */
  afterAnswerMs(retryAfterMs = 0): number {
    const limit = Math.max(retryAfterMs / 2, Math.min(BACK_OFF_MS_MAX, BACK_OFF_MS * 2 ** this.answered));
    this.answered += 1;
    this.refusedSince = undefined;
    return retryAfterMs + (this.answered === 1 && retryAfterMs === 0 ? 0 : limit * randomFraction(this.random));
  }

  /**
   * The same while another attempt still waits for its answer: the client was refused nothing, so the wait does not
   * grow. A server ends a process whose client it has not heard for long.
   */
  besideMs(retryAfterMs = REPEAT_MS): number {
    return retryAfterMs * (1 + randomFraction(this.random) / 2);
  }

  /** How long to wait after an attempt to which nobody listened; undefined when that has gone on for too long. */
  afterRefusalMs(now: number): number | undefined {
    this.refusedSince ??= now;
    if (now - this.refusedSince >= GONE_MS) return undefined;
    const limit = Math.min(REFUSED_MS_MAX, BACK_OFF_MS * 2 ** this.refusals);
    this.refusals += 1;
    return limit * randomFraction(this.random);
  }

  /** An attempt failed in another way than a refusal: the server may be there after all. */
  lost(): void {
    this.refusedSince = undefined;
  }
}
