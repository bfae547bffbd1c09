/**
 * Whether carriers still turn: decisions only. A carrier that does not load its module in time, or whose event loop
 * does not answer a ping in time, is stuck. Only time in which the server itself was awake counts: after a sleep of the
 * machine, a stopped server, or a turn of its own that took long, answers may lie unread, and nobody else is to blame.
 */

/** How long a carrier may be silent. */
export interface HeartbeatLimits {
  /** Until its module is loaded. 10,000 ms. */
  readonly startMs: number;
  /** Until it answers a ping, once it is loaded. 10,000 ms; 0 judges nobody, such as for a debugger. */
  readonly stuckMs: number;
}

/** What a tick finds. Who is stuck or late is forgotten: it will be killed. */
export interface HeartbeatFindings<Carrier> {
  /** To be asked for a sign of life. */
  readonly ping: readonly Carrier[];
  /** Did not load its module within `startMs`. */
  readonly late: readonly Carrier[];
  /** Did not answer within `stuckMs`. */
  readonly stuck: readonly Carrier[];
}

/** Ticks between a ping and the verdict. */
const TICKS = 4;
/** The shortest and the longest time between two ticks. */
const INTERVAL_MS = [25, 2_500] as const;
/** Of the time since the last tick counts at most this much of an interval: the rest is the server's own lateness. */
const COUNTED_INTERVALS = 1.5;

interface Pulse {
  isLoaded: boolean;
  /** A ping (or the start) waits for its answer. */
  isAsked: boolean;
  /** For so long, as the server was awake. */
  silentMs: number;
}

/** The pulses of one host's carriers. Call {@link Heartbeat.tick} every {@link Heartbeat.intervalMs}. */
export class Heartbeat<Carrier> {
  /** The time between two ticks: a quarter of the shorter limit, 25 ms to 2.5 s. */
  readonly intervalMs: number;
  readonly #limits: HeartbeatLimits;
  readonly #pulses = new Map<Carrier, Pulse>();
  #tickedMs: number;

  constructor(limits: HeartbeatLimits, nowMs: number) {
    this.#limits = limits;
    const shorterMs = Math.min(limits.startMs, limits.stuckMs || limits.startMs);
    this.intervalMs = Math.min(Math.max(shorterMs / TICKS, INTERVAL_MS[0]), INTERVAL_MS[1]);
    this.#tickedMs = nowMs;
  }

  /** How many are watched. */
  get size(): number {
    return this.#pulses.size;
  }

  /** Watches a carrier that is being started. */
  watch(carrier: Carrier, nowMs: number): void {
    if (this.#pulses.size === 0) this.#tickedMs = nowMs;
    this.#pulses.set(carrier, { isLoaded: false, isAsked: true, silentMs: 0 });
  }

  /** It has loaded its module. */
  loaded(carrier: Carrier): void {
    const pulse = this.#pulses.get(carrier);
    if (pulse !== undefined) Object.assign(pulse, { isLoaded: true, isAsked: false, silentMs: 0 });
  }

  /** It answered a ping. */
  answered(carrier: Carrier): void {
    const pulse = this.#pulses.get(carrier);
    if (pulse?.isLoaded) Object.assign(pulse, { isAsked: false, silentMs: 0 });
  }

  /** It has ended. */
  forget(carrier: Carrier): void {
    this.#pulses.delete(carrier);
  }

  /** Judges everyone. */
  tick(nowMs: number): HeartbeatFindings<Carrier> {
    const countedMs = Math.min(nowMs - this.#tickedMs, this.intervalMs * COUNTED_INTERVALS);
    this.#tickedMs = nowMs;
    const findings = { ping: [] as Carrier[], late: [] as Carrier[], stuck: [] as Carrier[] };
    for (const [carrier, pulse] of this.#pulses) {
      if (pulse.isAsked) pulse.silentMs += countedMs;
      const limitMs = pulse.isLoaded ? this.#limits.stuckMs : this.#limits.startMs;
      if (pulse.isAsked && limitMs > 0 && pulse.silentMs >= limitMs) {
        this.#pulses.delete(carrier);
        findings[pulse.isLoaded ? "stuck" : "late"].push(carrier);
      } else if (!pulse.isAsked) {
        pulse.isAsked = true;
        findings.ping.push(carrier);
      }
    }
    return findings;
  }
}
