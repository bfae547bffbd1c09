/**
 * How much of one direction is on its way at once. A slow path that is given a whole window keeps it in the buffers of
 * its sockets: then an acknowledgement comes many seconds after its batch, the path looks dead, and the next one is
 * given all of it again. So a path gets about as much as it carries in half a second. That is measured as it goes: what
 * was on its way when a batch left has arrived when that batch is acknowledged.
 */
import { BATCH_BYTES_MAX } from "../frame/limits.js";

/** What is on its way arrives in about this long; on a long way in half as much again as the least round trip. */
const AHEAD_MS = 500;
const AHEAD_ROUND_TRIPS = 1.5;
/** A round trip may have been spent in a buffer, and not on the way. */
const AHEAD_MS_MAX = 1_500;
/** A batch takes about this long to arrive. */
const BATCH_MS = 250;
/** Of a path that nothing is known of yet, and the least of any. */
const FIRST_BYTES = 32_768;
const BYTES_MIN = 8_192;
const FIRST_BATCH_BYTES = 16_384;
/** A path that was not measured at its limit is taken to carry this much: 160 kbit/s. */
const ASSUMED_BYTES_PER_MS = 20;
/** A path that brought nothing is followed by one that is given half as much, down to this part. */
const TRUST_MIN = 1 / 8;
/** How much of a lower sample goes into the rate; a higher one counts at once. */
const RATE_GAIN = 0.25;
/** So much is never what takes its time: a packet. */
const PACKET_BYTES = 1_400;
/** No path is given longer than this for what is on its way. */
const DRAIN_MS_MAX = 8_000;

/** The pace of one direction on the present path. */
export class Pace {
  /** Octets that may be on their way. */
  bytes = FIRST_BYTES;
  /** Octets of messages in one batch. */
  batchBytes = FIRST_BATCH_BYTES;
  private trust = 1;
  private hasArrived = true;
  private bytesPerMs: number | undefined;
  /** The rate was measured while more waited: it is the path's, and not the application's. */
  private isFull = false;
  private roundTripMs = Number.POSITIVE_INFINITY;
  /** The batch whose acknowledgement ends the present measurement, and what was on its way with it. */
  private sample: { readonly sequence: number; readonly sentAt: number; readonly bytes: number } | undefined;

  /** Another path: nothing is known of it. `firstBytes` may be on their way if nothing speaks against it. */
  begin(firstBytes = FIRST_BYTES): void {
    this.trust = this.hasArrived ? 1 : Math.max(TRUST_MIN, this.trust / 2);
    this.hasArrived = false;
    this.bytesPerMs = this.sample = undefined;
    this.isFull = false;
    this.roundTripMs = Number.POSITIVE_INFINITY;
    this.bytes = firstBytes * this.trust;
    this.batchBytes = Math.max(BYTES_MIN, FIRST_BATCH_BYTES * this.trust);
  }

  /** A batch leaves; with it, `bytes` are on their way. Of those of one moment the last one is looked at. */
  sent(sequence: number, bytes: number, now: number): void {
    if (this.sample === undefined || this.sample.sentAt === now) this.sample = { sequence, sentAt: now, bytes };
  }

  /** All batches up to `acked` have arrived; `isHeldBack`: more would be on its way if it might. */
  acknowledged(acked: number, isHeldBack: boolean, now: number): void {
    this.hasArrived = true;
    const { sample } = this;
    if (sample === undefined || acked < sample.sequence) return;
    this.sample = undefined;
    const tookMs = Math.max(1, now - sample.sentAt);
    this.roundTripMs = Math.min(this.roundTripMs, tookMs);
    this.measured(sample.bytes / tookMs, isHeldBack);
  }

  /** How long `bytes` on their way take to arrive. */
  drainMs(bytes: number): number {
    const { bytesPerMs = 0, isFull, trust } = this;
    const rate = isFull ? bytesPerMs : Math.max(bytesPerMs, ASSUMED_BYTES_PER_MS * trust);
    return Math.min(Math.max(0, bytes - PACKET_BYTES) / rate, DRAIN_MS_MAX);
  }

  private measured(rate: number, isHeldBack: boolean): void {
    const before = this.bytesPerMs ?? rate;
    this.isFull ||= isHeldBack;
    if (rate < before && !isHeldBack) return;
    this.bytesPerMs = rate > before ? rate : before + (rate - before) * RATE_GAIN;
    const aheadMs = Math.min(Math.max(AHEAD_MS, AHEAD_ROUND_TRIPS * this.roundTripMs), AHEAD_MS_MAX);
    const bytes = this.bytesPerMs * aheadMs;
    // What an application that says little has shown of its path is no reason to give it less than an unknown one.
    this.bytes = Math.floor(Math.max(bytes, this.isFull ? BYTES_MIN : this.bytes));
    const batch = Math.max(this.bytesPerMs * BATCH_MS, this.isFull ? BYTES_MIN : this.batchBytes);
    this.batchBytes = Math.min(BATCH_BYTES_MAX, Math.floor(batch));
  }
}
