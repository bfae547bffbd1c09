/**
 * Every time limit of a session in one place: acknowledgement, suspicion, heartbeat, lease, close. No timer runs here;
 * the driver keeps one, for the earliest.
 */
import { DuowireError } from "../base/errors.js";
import { OctetWriter, sameOctets } from "../base/octets.js";
import type { WelcomeFrame } from "../frame/control.js";
import { HEARTBEAT_BUSY_MS, Heartbeat } from "./heartbeat.js";
import type { SessionState } from "./states.js";

/** An acknowledgement waits this long for a batch to travel with. */
export const ACK_DELAY_MS = 20;
/** A path is suspect after four round trips without acknowledgement, but not before this long (D12). */
export const SUSPECT_MS_MIN = 1_000;
/** However long the round trips, a path is suspect after this long: one of them may have met a pause. */
export const SUSPECT_MS_MAX = 3_000;
const SUSPECT_ROUND_TRIPS = 4;
/** A longer round trip tells of a pause, such as a sleep, and not of the path. */
export const ROUND_TRIP_MS_MAX = 2_000;
/** The server gives up this much later than its client, so that the client knows first (D13). */
export const SERVER_PATIENCE_MS = 10_000;
/** How much of a new sample goes into the round-trip time. */
const ROUND_TRIP_GAIN = 0.25;

/** What is due. An acknowledgement is not listed: the flush that follows every timeout sends it. */
export type Due = "lease" | "close" | "suspect" | "heartbeat" | "ack";

/** What the attached link is good for at this moment. */
export interface PathUse {
  /** Something is on its way that must be answered. */
  readonly waits: boolean;
  /** It takes frames: what cannot be sent is not due. */
  readonly writable: boolean;
  /** How long what is on its way takes to arrive, as far as that is known. */
  readonly drainMs: number;
}

/** The limits that a session is made with. */
export interface TimerOptions {
  readonly side: "client" | "server";
  readonly leaseMs: number;
  readonly freshMs: number;
  readonly closeMs: number;
}

/** Why a session ends whose lease is over in `state`. */
export function leaseReason(side: TimerOptions["side"], state: SessionState): DuowireError {
  const unanswered = side === "client" ? "connect_timeout" : "attach_timeout";
  return new DuowireError(state === "fresh" ? unanswered : "lease_expired", undefined, { side: "local" });
}

/** When what happened last, and what follows from it. */
export class SessionTimers {
  /** The far side owes something that the core cannot see. */
  busy = false;
  readonly heartbeat = new Heartbeat();
  roundTripMs: number | undefined;
  /** The path has been reported as suspect, and nothing has come of it yet. */
  suspected = false;
  private suspicionTold = false;
  private leaseMs: number;
  private lastReceivedAt: number;
  /** When something came last over the link that is looked at: what another one brings says nothing of its path. */
  private lastHeardAt: number;
  /** Since when only other links have brought anything: what they brought is due over this one, too. */
  private besideSince: number | undefined;
  /** The shortest round trip of the present link: a longer one tells of a busy machine, or of a full buffer. */
  leastRoundTripMs: number | undefined;
  /** Since when something is on its way without any progress. */
  private waitingSince: number | undefined;
  private ackDueAt: number | undefined;
  private pingSentAt: number | undefined;
  private pingCount = 0;
  private closeAt: number | undefined;

  constructor(
    private readonly options: TimerOptions,
    private readonly startedAt: number,
  ) {
    this.leaseMs = options.leaseMs;
    this.lastReceivedAt = this.lastHeardAt = startedAt;
  }

  get pingIsOut(): boolean {
    return this.pingSentAt !== undefined;
  }

  /** A frame came; `isOfPath`: over the link that is looked at. */
  received(now: number, isOfPath: boolean): void {
    this.lastReceivedAt = now;
    if (isOfPath) this.lastHeardAt = now;
    this.besideSince = isOfPath ? undefined : (this.besideSince ?? now);
  }

  sent(now: number): void {
    this.waitingSince ??= now;
  }

  /** Something of what was on its way has arrived; `more` says whether there is still something. */
  progressed(now: number, more: boolean): void {
    this.waitingSince = more || this.pingIsOut ? now : undefined;
    this.suspected = false;
  }

  attachSent(now: number): void {
    this.linkLost();
    this.waitingSince = now;
  }

  /** The attach that was sent at `sentAt` was accepted. */
  welcomed(now: number, sentAt: number, { leaseMs, heldMs = 0 }: WelcomeFrame, more: boolean): void {
    // A new link is a new path: what was measured on another one says little of it. While held, nothing was on the way.
    this.roundTripMs = this.leastRoundTripMs = Math.min(Math.max(0, now - sentAt - heldMs), ROUND_TRIP_MS_MAX);
    this.leaseMs = leaseMs;
    this.progressed(now, more);
  }

  /** What concerned the lost link is void. */
  linkLost(): void {
    this.heartbeat.pathLost();
    this.waitingSince = this.pingSentAt = this.ackDueAt = undefined;
    this.suspected = this.suspicionTold = false;
  }

  /** Whether the path has become suspect, or is so no longer, since this was last asked; a new path is news anyway. */
  suspicionChanged(): boolean {
    const isChanged = this.suspected !== this.suspicionTold;
    this.suspicionTold = this.suspected;
    return isChanged;
  }

  /** The octets of a PING that is sent now, as a heartbeat or because somebody asked. */
  pingSent(now: number, isHeartbeat = false): Uint8Array {
    this.heartbeat.sent(isHeartbeat && !this.busy ? now - this.lastHeardAt : undefined);
    this.pingCount += 1;
    this.pingSentAt = now;
    this.sent(now);
    return this.pingOctets();
  }

  pongCame(octets: Uint8Array, now: number, more: boolean): void {
    if (this.pingSentAt === undefined || !sameOctets(octets, this.pingOctets())) return;
    this.sampleRoundTrip(now - this.pingSentAt);
    this.heartbeat.answered();
    this.pingSentAt = undefined;
    this.progressed(now, more);
  }

  ackOwed(now: number, atOnce: boolean): void {
    if (atOnce) this.ackDueAt = now;
    else this.ackDueAt ??= now + ACK_DELAY_MS;
  }

  /** Everything that was received has been acknowledged, in whatever way. */
  ackSettled(): void {
    this.ackDueAt = undefined;
  }

  ackIsDue(now: number): boolean {
    return this.ackDueAt !== undefined && this.ackDueAt <= now;
  }

  closeAsked(now: number): void {
    this.closeAt = now + this.options.closeMs;
  }

  /** The earliest moment at which something is due. */
  next(state: SessionState, path: PathUse): number {
    let earliest = Number.POSITIVE_INFINITY;
    for (const [, at] of this.table(state, path)) if (at !== undefined && at < earliest) earliest = at;
    return earliest;
  }

  /** What is due now, each once. */
  due(state: SessionState, path: PathUse, now: number): Due[] {
    const due = this.table(state, path).filter(([, at]) => at !== undefined && at <= now);
    const names = due.map(([name]) => name);
    if (names.includes("suspect")) this.suspected = true;
    return names.includes("lease") ? ["lease"] : names;
  }

  /** Each limit that runs in this state, and when it ends. */
  private table(state: SessionState, { waits, writable, drainMs }: PathUse): [Due, number | undefined][] {
    const client = this.options.side === "client";
    const looks = client && state === "open" && writable && !waits;
    return [
      ["lease", this.leaseEnd(state)],
      ["close", state === "closing" ? this.closeAt : undefined],
      ["ack", writable ? this.ackDueAt : undefined],
      ["suspect", client && waits && !this.suspected ? this.suspectAt(drainMs) : undefined],
      ["heartbeat", looks ? this.heartbeatAt() : undefined],
    ];
  }

  private leaseEnd(state: SessionState): number {
    if (state === "fresh") return this.startedAt + this.options.freshMs;
    return this.lastReceivedAt + this.leaseMs + (this.options.side === "server" ? SERVER_PATIENCE_MS : 0);
  }

  /** As long as frames come, the answer may be behind them: then the longest patience is due. */
  private suspectAt(drainMs: number): number | undefined {
    const { waitingSince, lastHeardAt, roundTripMs = 0 } = this;
    if (waitingSince === undefined) return undefined;
    const patienceMs = Math.min(Math.max(SUSPECT_MS_MIN, SUSPECT_ROUND_TRIPS * roundTripMs), SUSPECT_MS_MAX);
    const latest = Math.min(lastHeardAt + patienceMs, waitingSince + SUSPECT_MS_MAX);
    return Math.max(waitingSince + patienceMs, latest) + drainMs;
  }

  private heartbeatAt(): number {
    const dueAt = this.lastHeardAt + Math.min(this.heartbeat.dueAfterMs(this.busy), this.leaseMs / 3);
    return Math.max(dueAt, (this.besideSince ?? Number.NEGATIVE_INFINITY) + HEARTBEAT_BUSY_MS);
  }

  private sampleRoundTrip(measuredMs: number): void {
    const sample = Math.min(measuredMs, ROUND_TRIP_MS_MAX);
    const before = this.roundTripMs ?? sample;
    this.leastRoundTripMs = Math.min(this.leastRoundTripMs ?? sample, sample);
    this.roundTripMs = before + (sample - before) * ROUND_TRIP_GAIN;
  }

  private pingOctets(): Uint8Array {
    const writer = new OctetWriter(4);
    writer.u32(this.pingCount);
    return writer.take();
  }
}
