/**
 * A second WebSocket beside the one that carries a session on a long way. TCP lets a thin stream stand still for a
 * round trip or two now and then: when a packet is lost, when it takes one that was overtaken for lost, and where its
 * congestion control is BBR, each 10 s, to measure the way (PROBE_RTT: four packets under way). Where the round trip is
 * short nobody notices. On a long way each such moment delays everything that is called meanwhile by as much again. Two
 * connections seldom stand still together: whatever is short travels on both, and what comes first counts
 * (spec/session.md, section 3.4).
 */
import type { CancelTimer, Clock } from "../base/clock.js";
import type { Driver } from "../driver/driver.js";
import type { Link } from "../frame/link.js";
import { Candidate, type CandidateOwner } from "./candidate.js";

/** Where a companion is of use. */
export interface CompanionRules {
  /** From this round trip on, by the shortest of the link. */
  readonly longMs: number;
  /** How often its use is looked at, and so how much younger it is than the link that it accompanies. */
  readonly lookMs: number;
  /** It is worth its connection where this side makes so many short writes in that time. */
  readonly writesMin: number;
}

/** Half of BBR's period, so that the two connections do not measure at the same time; five writes a second. */
export const companionRules: CompanionRules = { longMs: 150, lookMs: 5_000, writesMin: 25 };

/** Where so many in a row did not work, the network has no room for them: until another link carries the session. */
const FAILURES_MAX = 3;

/** What a companion is made with. */
export interface CompanionOptions {
  readonly driver: Driver;
  readonly clock: Clock;
  readonly open: () => Link;
  readonly key: Uint8Array;
  readonly incarnation: Uint8Array;
  readonly rules: CompanionRules;
}

/** Keeps a companion beside the link that carries a session, where that is of use. */
export class Companion implements CandidateOwner {
  private candidate: Candidate | undefined;
  private cancelLook: CancelTimer | undefined;
  private number = 0;
  private failures = 0;
  /** What had come over it at the last look; its welcome alone does not show that it works. */
  private heardBefore = 1;

  constructor(private readonly options: CompanionOptions) {}

  /** Another link carries the session now. */
  follow(link: Link): void {
    this.stop();
    this.number = this.failures = 0;
    if (link.kind !== "websocket" || !this.isLong) return;
    // The attach may have met a busy server; another round trip tells.
    this.options.driver.ping();
    this.look();
  }

  /** There is nothing to accompany any more. */
  stop(): void {
    this.cancelLook?.();
    this.cancelLook = undefined;
    this.end("there is nothing to accompany");
  }

  private get isLong(): boolean {
    const { driver, rules } = this.options;
    return (driver.session.leastRoundTripMs ?? 0) >= rules.longMs;
  }

  private look(): void {
    const { driver, clock, rules } = this.options;
    const { shortWrites } = driver.session.figures;
    this.cancelLook = clock.after(rules.lookMs, () => {
      const isUsed = driver.session.figures.shortWrites - shortWrites >= rules.writesMin;
      if (!this.isLong) return this.stop();
      if (this.candidate !== undefined) this.judge(this.candidate, isUsed);
      else if (isUsed && driver.session.isHealthy && this.failures < FAILURES_MAX) this.start();
      this.look();
    });
  }

  private judge(candidate: Candidate, isUsed: boolean): void {
    if (!isUsed) return this.end("little is said");
    if (candidate.heard <= this.heardBefore) return this.closed(candidate);
    this.heardBefore = candidate.heard;
    this.failures = 0;
  }

  private start(): void {
    const { driver, clock, open } = this.options;
    this.heardBefore = 1;
    this.candidate = new Candidate(open(), clock.monotonicMs(), driver, this);
  }

  private end(reason: string): void {
    const { candidate } = this;
    this.candidate = undefined;
    candidate?.abandon(reason);
  }

  opened(candidate: Candidate): void {
    if (candidate !== this.candidate) return;
    const { driver, key, incarnation } = this.options;
    if (!driver.session.isHealthy) return this.end("the link that it was to accompany does not work");
    this.number += 1;
    candidate.accompany({ type: "attach", key, companion: this.number }, incarnation);
  }

  /** Nothing comes before it attaches: the server speaks when it is spoken to. */
  received(): void {}

  closed(candidate: Candidate): void {
    if (candidate !== this.candidate) return;
    this.failures += 1;
    this.end("it does not work");
  }
}
