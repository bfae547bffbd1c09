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
  /** From this round trip on. */
  readonly longMs: number;
  /** How often its use is looked at, and so how much younger it is than the link that it accompanies. */
  readonly lookMs: number;
  /** It is worth its connection where so many batches travel in that time, both ways together. */
  readonly batchesMin: number;
}

/** Half of BBR's period, so that the two connections do not measure at the same time; ten batches a second. */
export const companionRules: CompanionRules = { longMs: 150, lookMs: 5_000, batchesMin: 50 };

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
  private failures = 0;

  constructor(private readonly options: CompanionOptions) {}

  /** Another link carries the session now. */
  follow(link: Link): void {
    this.stop();
    this.failures = 0;
    const { driver, rules } = this.options;
    const { roundTripMs = 0 } = driver.session;
    if (link.kind === "websocket" && roundTripMs >= rules.longMs) this.look();
  }

  /** There is nothing to accompany. */
  stop(): void {
    this.cancelLook?.();
    this.cancelLook = undefined;
    this.end("there is nothing to accompany");
  }

  private look(): void {
    const { driver, clock, rules } = this.options;
    const { batches } = driver.session.figures;
    this.cancelLook = clock.after(rules.lookMs, () => {
      const isOfUse = driver.session.figures.batches - batches >= rules.batchesMin;
      if (this.candidate !== undefined) this.judge(this.candidate, isOfUse);
      else if (isOfUse && this.failures < FAILURES_MAX) this.start();
      this.look();
    });
  }

  private judge(candidate: Candidate, isOfUse: boolean): void {
    if (!isOfUse) this.end("little is said");
    else if (candidate.wasHeard) this.failures = 0;
    else this.closed(candidate);
    candidate.wasHeard = false;
  }

  private start(): void {
    const { driver, clock, open } = this.options;
    this.candidate = new Candidate(open(), clock.monotonicMs(), driver, this);
  }

  private end(reason: string): void {
    const { candidate } = this;
    this.candidate = undefined;
    candidate?.abandon(reason);
  }

  opened(candidate: Candidate): void {
    if (candidate !== this.candidate) return;
    const { key, incarnation } = this.options;
    candidate.accompany({ type: "attach", key, isCompanion: true }, incarnation);
  }

  /** Nothing comes before it attaches: the server speaks when it is spoken to. */
  received(): void {}

  closed(candidate: Candidate): void {
    if (candidate !== this.candidate) return;
    this.failures += 1;
    this.end("it does not work");
  }
}
