/**
 * The first communication part (source: part 11): the first access, always to the fixed connection address.
 *
 * One access is one nonce: it is repeated until it is answered, and however often the server sees it, it is the same
 * access, with the same address and the same process (D1). The first calls travel with it.
 */
import type { CancelTimer, Clock } from "../base/clock.js";
import { DuowireError, isErrorCode } from "../base/errors.js";
import type { Driver } from "../driver/driver.js";
import type { RefusedFrame } from "../frame/control.js";
import type { Link, LinkEnd } from "../frame/link.js";
import type { Attempts } from "./attempts.js";
import { Candidate } from "./candidate.js";

/** An access that brought no answer is repeated after this long at first, later after up to five times as long. */
const ACCESS_REPEAT_MS = 1_000;
const ACCESS_REPEAT_MS_MAX = 5_000;
const ACCESS_REPEAT_GROWTH = 1.5;

/** What the first communication part is made with. */
export interface FirstCommunicationOptions {
  readonly driver: Driver;
  readonly clock: Clock;
  readonly attempts: Attempts;
  /** Opens a link to the fixed address that takes one write and gives one answer. */
  readonly open: () => Link;
  readonly nonce: Uint8Array;
  readonly incarnation: Uint8Array;
  readonly service: string | undefined;
  /** Where the access goes, for messages. */
  readonly target: string;
  /** Refused and silent servers are tried again until then (D21). */
  readonly connectTimeoutMs: number;
}

/** Makes the first access, and repeats it until there is an answer or the time is over. */
export class FirstCommunication {
  /** When the first attempt was made that the server may have seen (D1). */
  private firstTriedAt: number | undefined;
  private readonly cancelDeadline: CancelTimer;
  private firstTriedWallMs = 0;
  private cancelRepeat: CancelTimer | undefined;
  private repeatMs = ACCESS_REPEAT_MS;
  private lastFailure = "no answer came";
  private current: Candidate | undefined;
  private isOver = false;

  constructor(private readonly options: FirstCommunicationOptions) {
    this.cancelDeadline = options.clock.after(options.connectTimeoutMs, () => this.giveUp());
    this.try();
  }

  /** The access was answered, or the session is closed: nothing more is tried. */
  stop(): void {
    this.isOver = true;
    this.cancelDeadline();
    this.cancelRepeat?.();
  }

  /** The access was refused: by the server, or by whatever stands at the address. */
  refused(refusal: RefusedFrame): void {
    if (this.isOver) return;
    const code = isErrorCode(refusal.code) ? refusal.code : "not_duowire";
    // Of a server that cannot know whether it saw this access before, nobody knows whether the calls ran (D1).
    const outcome = code === "access_unknown" ? "outcome_unknown" : "not_sent";
    const error = new DuowireError(code, refusal.message, { side: "remote", outcome });
    if (error.next !== "retry") return this.options.driver.fail(error);
    this.lastFailure = refusal.message;
    this.current = undefined;
    this.tryAfter(this.options.attempts.afterAnswerMs(refusal.retryAfterMs));
  }

  private try(): void {
    if (this.isOver) return;
    const { driver, clock, nonce, incarnation, service } = this.options;
    const now = clock.monotonicMs();
    const candidate = new Candidate(this.options.open(), now, driver, {
      opened: () => {},
      received: () => {},
      closed: (closed, reason, end) => this.closed(closed, reason, end),
    });
    this.current = candidate;
    this.firstTriedAt ??= now;
    this.firstTriedWallMs = candidate.startedAt === this.firstTriedAt ? clock.wallMs() : this.firstTriedWallMs;
    // By the clock that says more: the monotonic one may have stood still while the machine slept, and then a server
    // that has started since would take this for a new access (D1).
    const triedMsAgo = Math.floor(Math.max(now - this.firstTriedAt, clock.wallMs() - this.firstTriedWallMs));
    candidate.attach(
      { type: "access", nonce, triedMsAgo, ...(service !== undefined && { service }) },
      incarnation,
      true,
    );
    this.tryAfter(this.repeatMs);
    this.repeatMs = Math.min(ACCESS_REPEAT_MS_MAX, this.repeatMs * ACCESS_REPEAT_GROWTH);
  }

  private closed(candidate: Candidate, reason: string, end: LinkEnd): void {
    if (this.isOver || candidate !== this.current) return;
    this.current = undefined;
    this.lastFailure = reason;
    // Where nobody listened, nobody saw it.
    if (end === "refused" && candidate.startedAt === this.firstTriedAt) this.firstTriedAt = undefined;
    const { attempts, clock } = this.options;
    const wait =
      end === "refused" ? (attempts.afterRefusalMs(clock.monotonicMs()) ?? ACCESS_REPEAT_MS) : attempts.afterAnswerMs();
    this.tryAfter(wait);
  }

  private tryAfter(ms: number): void {
    this.cancelRepeat?.();
    this.cancelRepeat = this.options.clock.after(ms, () => this.try());
  }

  private giveUp(): void {
    if (this.isOver) return;
    const { target, connectTimeoutMs, driver } = this.options;
    const limit = `${connectTimeoutMs} ms (connectTimeoutMs)`;
    const message = `no session at ${target} within ${limit}; the last attempt: ${this.lastFailure}`;
    const outcome = this.firstTriedAt === undefined ? "not_sent" : "outcome_unknown";
    driver.fail(new DuowireError("connect_timeout", message, { side: "remote", outcome }));
  }
}
