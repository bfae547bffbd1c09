/**
 * Writes of a young connection, gathered. TCP lets about ten packets through in the first round trip of a connection,
 * however short they are: on a long way a hundred small writes a second would soon stand still for the rest of it.
 * So at first they leave together, a ninth of a round trip after each other. Where a round trip is short, so is that.
 */
import { type CancelTimer, type Clock, systemClock } from "../base/clock.js";
import { joinOctets } from "../base/octets.js";

/** Packets in a round trip that a new connection takes: ten, and acknowledgements come by the time of the last two. */
const WRITES_IN_ROUND_TRIP = 9;
/** By then it takes as many packets as anybody makes of small writes. */
const YOUNG_ROUND_TRIPS = 3;
/** A shorter distance is no use. */
const DISTANCE_MS_MIN = 4;
/** What took longer was a pause of either end. */
const ROUND_TRIP_MS_MAX = 1_000;
/** What is gathered leaves at once when it is this much: it fills packets of its own. */
const GATHERED_BYTES_MAX = 8_192;

/** Stands before the writes of one connection. */
export class SlowStart {
  /** Octets that wait. */
  queuedBytes = 0;
  /** {@link begin} was called: until then every write leaves at once. */
  hasBegun = false;
  private distanceMs = 0;
  private youngUntil = 0;
  private gathered: Uint8Array[] = [];
  private cancelTimer: CancelTimer | undefined;

  constructor(
    private readonly write: (octets: Uint8Array) => void,
    private readonly clock: Clock = systemClock,
  ) {}

  /** The connection is there, and its first round trip took so long. */
  begin(roundTripMs: number): void {
    const { clock } = this;
    this.hasBegun = true;
    this.distanceMs = Math.min(roundTripMs, ROUND_TRIP_MS_MAX) / WRITES_IN_ROUND_TRIP;
    this.youngUntil = clock.monotonicMs() + YOUNG_ROUND_TRIPS * roundTripMs;
  }

  /** Sends at once, or with what else comes in a moment. */
  send(octets: Uint8Array): void {
    if (this.cancelTimer === undefined) {
      this.write(octets);
      this.wait();
      return;
    }
    this.gathered.push(octets);
    this.queuedBytes += octets.length;
    if (this.queuedBytes >= GATHERED_BYTES_MAX) this.flush();
  }

  /** Sends what waits. */
  flush(): void {
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    if (this.gathered.length === 0) return;
    const octets = joinOctets(this.gathered);
    this.gathered = [];
    this.queuedBytes = 0;
    this.write(octets);
    this.wait();
  }

  private wait(): void {
    if (this.distanceMs < DISTANCE_MS_MIN) return;
    if (this.clock.monotonicMs() < this.youngUntil)
      this.cancelTimer = this.clock.after(this.distanceMs, () => this.flush());
    else this.distanceMs = 0;
  }
}
