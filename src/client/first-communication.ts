/**
 * The first communication part (source: part 11): the first access, always to the fixed connection address.
 *
 * One access is one nonce: it is repeated until it is answered, and however often the server sees it, it is the same
 * access, with the same address and the same process (D1). The first calls travel with it.
 */
import type { CancelTimer, Clock } from "../base/clock.js";
import { DuowireError } from "../base/errors.js";
import type { Driver } from "../driver/driver.js";
import type { RefusedFrame } from "../frame/control.js";
import { decodeFrames } from "../frame/frame.js";
import type { Link, LinkEnd } from "../frame/link.js";
import type { AttachProof } from "../session/outputs.js";
import type { EnterAccess } from "./access-turns.js";
import type { Attempts } from "./attempts.js";
import { Candidate } from "./candidate.js";
import { NextAttempt } from "./next-attempt.js";
import { errorOfRefusal } from "./refusal.js";

/** Where nobody has listened for long, look again after this. */
const GONE_REPEAT_MS = 1_000;
/** A body of early calls is given the time that it takes at 256 kbit/s before it is sent once more. */
const BODY_BYTES_PER_MS = 32;

/** A connection that took longer to be there met a pause, or a loss: the way is not that long. */
const CONNECT_MS_MAX = 1_500;
/** A round trip of a long way: what is called until the access is answered does not wait for the answer. */
const LONG_MS = 200;
/**
 * It follows in repeats of the access, each after such a part of it. The answer takes a little longer than the way, so
 * that what follows the answer has waited as long.
 */
const FOLLOWERS = 2;
const FOLLOWS_AFTER = 3 / 8;
/** A repeat carries all early calls, since it may be the first to arrive: no more than this. */
const FOLLOWER_BYTES_MAX = 16_384;

/** One attempt, and when it was made by both clocks. */
interface Attempt {
  readonly candidate: Candidate;
  readonly at: number;
  readonly wallMs: number;
}

/** What the first communication part is made with. */
export interface FirstCommunicationOptions {
  readonly driver: Driver;
  readonly clock: Clock;
  readonly attempts: Attempts;
  /** Opens a link to the fixed address that takes one write and gives one answer. */
  readonly open: () => Link;
  /** How long a round trip takes, where that is known to be long; else 0. */
  readonly farMs: () => number;
  /** Has the first attempt made when it is this access's turn. */
  readonly enter: EnterAccess;
  readonly nonce: Uint8Array;
  readonly incarnation: Uint8Array;
  readonly service: string | undefined;
  /** Where the access goes, for messages. */
  readonly target: string;
  /** Refused and silent servers are tried again until then (D21). */
  readonly connectTimeoutMs: number;
}

/**
 * Makes the first access, and repeats it until there is an answer or the time is over. Two may be under way, on a long
 * way three, since a repeat is the same access: whichever is answered first begins the session.
 */
export class FirstCommunication {
  /** Under way, the oldest first. */
  private readonly underWay: Attempt[] = [];
  /** The first attempt that is over and that the server may have seen (D1). */
  private seen: Attempt | undefined;
  private readonly cancelDeadline: CancelTimer;
  private readonly next: NextAttempt;
  private cancelFollower: CancelTimer | undefined;
  /** Makes room for another access of this program. */
  private readonly leave: () => void;
  private lastFailure = "none was made, since other accesses of this program were not answered";
  private isOver = false;
  /** The server was told of a long way: its answer stays open for longer than anybody has to wait. */
  isLong = false;

  constructor(private readonly options: FirstCommunicationOptions) {
    const running = () => ({ startedAt: this.underWay.at(-1)?.at, roundTripMs: undefined });
    this.next = new NextAttempt(options.clock, options.attempts, running, () => this.try());
    this.cancelDeadline = options.clock.after(options.connectTimeoutMs, () => this.giveUp());
    this.leave = options.enter(
      (heardMs) => this.begin(heardMs),
      () => options.clock.monotonicMs(),
    );
  }

  /** The access was answered, or the session is closed: nothing more is tried. */
  stop(): void {
    this.isOver = true;
    this.cancelDeadline();
    this.next.stop();
    this.cancelFollower?.();
    this.leave();
    for (const { candidate } of this.underWay) if (!candidate.isAttached) candidate.abandon("not needed any more");
  }

  /** The access was refused over `link`: by the server, or by whatever stands at the address. */
  refused(refusal: RefusedFrame, link: Link): void {
    if (this.isOver) return;
    this.leave();
    this.cancelFollower?.();
    // Of a server that cannot know whether it saw this access before, nobody knows whether the calls ran (D1).
    const outcome = refusal.code === "access_unknown" ? "outcome_unknown" : "not_sent";
    const error = errorOfRefusal(refusal, { outcome });
    if (error.next !== "retry") return this.options.driver.fail(error);
    this.lastFailure = refusal.message;
    const attempt = this.underWay.find(({ candidate }) => candidate.link === link);
    if (attempt !== undefined) this.over(attempt);
    const { attempts } = this.options;
    for (const unopened of this.underWay.filter((one) => !one.candidate.isAttached)) this.giveUpAttempt(unopened);
    const isAlone = this.underWay.length === 0;
    const waitMs = isAlone ? attempts.afterAnswerMs(refusal.retryAfterMs) : attempts.besideMs(refusal.retryAfterMs);
    if (refusal.retryAfterMs !== undefined) this.next.rest(waitMs);
    this.next.after(waitMs);
  }

  private begin(heardMs: number): void {
    const { attempts, clock } = this.options;
    attempts.begin(clock.monotonicMs());
    attempts.opened(heardMs);
    this.lastFailure = "no answer came";
    this.try();
  }

  /** Before there is a connection nothing comes but our own word for why there is none, such as its certificate. */
  private refusedUnopened({ link }: Candidate, octets: Uint8Array): void {
    decodeFrames(octets, (frame) => {
      if (frame.type === "refused") this.refused(frame, link);
    });
  }

  private try(): void {
    if (this.isOver) return;
    const { driver, clock, attempts } = this.options;
    const now = clock.monotonicMs();
    this.makeRoom(now);
    this.start((candidate) => {
      // The answer takes as long as the connection did: a repeat before it would be for nothing.
      const openedAt = clock.monotonicMs();
      const connectMs = Math.min(openedAt - candidate.startedAt, CONNECT_MS_MAX);
      this.access(candidate, openedAt);
      const bodyMs = driver.session.figures.unackedBytes / BODY_BYTES_PER_MS;
      this.next.after(Math.max(attempts.repeatMs(undefined, openedAt), 2 * connectMs, bodyMs));
      this.follow(FOLLOWERS);
    });
    this.next.after(attempts.repeatMs(undefined, now));
  }

  private start(opened: (candidate: Candidate) => void): void {
    const { driver, clock, open } = this.options;
    const at = clock.monotonicMs();
    const candidate: Candidate = new Candidate(open(), at, driver, {
      opened,
      received: (refused, octets) => this.refusedUnopened(refused, octets),
      closed: (closed, reason, end) => this.closed(closed, reason, end),
    });
    this.underWay.push({ candidate, at, wallMs: clock.wallMs() });
  }

  /** There is a connection: what was called until this moment travels with the access. */
  private access(candidate: Candidate, now: number): void {
    const { nonce, incarnation, service } = this.options;
    const { longMs } = this;
    this.isLong ||= longMs > 0;
    const triedMsAgo = this.triedMsAgo(now, candidate);
    const proof: AttachProof = {
      type: "access",
      nonce,
      triedMsAgo,
      ...(service !== undefined && { service }),
      ...(longMs > 0 && { roundTripMs: Math.ceil(longMs) }),
    };
    candidate.attach(proof, incarnation, true);
  }

  /** A round trip, if it is a long one, else 0. */
  private get longMs(): number {
    const farMs = this.options.farMs();
    return farMs >= LONG_MS ? Math.min(farMs, CONNECT_MS_MAX) : 0;
  }

  /** On a long way what is called while the access is under way is taken along by a repeat, over another connection. */
  private follow(left: number): void {
    this.cancelFollower?.();
    if (left === 0 || this.longMs === 0) return;
    const { driver, clock } = this.options;
    this.cancelFollower = clock.after(this.longMs * FOLLOWS_AFTER, () => {
      const { outgoing, figures } = driver.session;
      const isShort = outgoing.queuedBytes + figures.unackedBytes <= FOLLOWER_BYTES_MAX;
      const hasRoom = this.underWay.length <= FOLLOWERS;
      if (!outgoing.isEmpty && isShort && hasRoom)
        this.start((candidate) => this.access(candidate, clock.monotonicMs()));
      this.follow(left - 1);
    });
  }

  /** As in the search for a path: the younger of two is renewed, until the older has had its time. */
  private makeRoom(now: number): void {
    for (let [older, younger] = this.underWay; older && younger; [older, younger] = this.underWay) {
      this.giveUpAttempt(this.options.attempts.isLate(now - older.at, undefined) ? older : younger);
    }
  }

  private giveUpAttempt(attempt: Attempt): void {
    this.over(attempt);
    attempt.candidate.abandon("it took too long");
  }

  /**
   * By the clock that says more: the monotonic one may have stood still while the machine slept, and then a server
   * that has started since would take this for a new access (D1).
   */
  private triedMsAgo(now: number, candidate: Candidate): number {
    const first = this.firstSeen;
    if (first === undefined || first.candidate === candidate) return 0;
    return Math.floor(Math.max(now - first.at, this.options.clock.wallMs() - first.wallMs));
  }

  /** The first attempt that the server may have seen. */
  private get firstSeen(): Attempt | undefined {
    const oldest = this.underWay.find(({ candidate }) => candidate.isAttached);
    return oldest === undefined || (this.seen !== undefined && this.seen.at <= oldest.at) ? this.seen : oldest;
  }

  private closed(candidate: Candidate, reason: string, end: LinkEnd): void {
    const attempt = this.underWay.find((one) => one.candidate === candidate);
    if (this.isOver || attempt === undefined) return;
    this.leave();
    this.cancelFollower?.();
    this.lastFailure = reason;
    this.over(attempt, end !== "refused");
    const { attempts, clock } = this.options;
    const wait =
      end === "refused" ? (attempts.afterRefusalMs(clock.monotonicMs()) ?? GONE_REPEAT_MS) : attempts.afterAnswerMs();
    this.next.after(wait);
  }

  /** Without a connection, and where nobody listened, nobody saw it. */
  private over(attempt: Attempt, wasHeard = true): void {
    this.underWay.splice(this.underWay.indexOf(attempt), 1);
    if (wasHeard && attempt.candidate.isAttached && (this.seen === undefined || attempt.at < this.seen.at))
      this.seen = attempt;
  }

  private giveUp(): void {
    if (this.isOver) return;
    const { target, connectTimeoutMs, driver } = this.options;
    const limit = `${connectTimeoutMs} ms (connectTimeoutMs)`;
    const message = `no session at ${target} within ${limit}; the last attempt: ${this.lastFailure}`;
    const outcome = this.firstSeen === undefined ? "not_sent" : "outcome_unknown";
    driver.fail(new DuowireError("connect_timeout", message, { side: "remote", outcome }));
  }
}
