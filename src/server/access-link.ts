/**
 * The link that one HTTP exchange is: what the request's body carried, and an answer that stays open for a moment
 * (D4). It is enough for a first access with early calls, and for an attach whose answer is the authority (D6).
 */
import type { CancelTimer } from "../base/clock.js";
import { DuowireError, isErrorCode } from "../base/errors.js";
import { decodeFrames, frameTypes } from "../frame/frame.js";
import type { Link, LinkEnd, LinkEvents } from "../frame/link.js";
import { SlowStart } from "../link/slow-start.js";
import { answerHeaders, type Exchange } from "./exchange.js";
import { refuse, sessionUnknown } from "./refusals.js";

/** A process that answers nothing at all would leave the client waiting: it is given this long. */
const SILENCE_MS_MAX = 10_000;
/** However long its client's way is, an answer is held no longer: a proxy may keep it until it has ended (G6). */
const HOLD_MS_MAX = 500;
/** How long an answer that has ended may take to leave. */
const LEAVE_MS_MAX = 10_000;

/** What the answer begins with when it is no refusal. */
export interface AnswerHead {
  readonly status: 200 | 201;
  readonly headers: Record<string, string>;
}

/** A {@link Link} over one request and its answer. */
export class AccessLink implements Link {
  readonly kind = "access";
  readonly #exchange: Exchange;
  readonly #head: AnswerHead;
  readonly #early: Uint8Array;
  #events: LinkEvents | undefined;
  #state: "silent" | "open" | "ended" = "silent";
  #reason = "the client closed its request";
  #how: LinkEnd = "lost";
  #cancelTimer: CancelTimer;
  readonly #roundTripMs: number;
  readonly #writes: SlowStart;

  /**
   * `early`: the whole frames of the request's body that the process has not been given yet. `roundTripMs`: how long
   * the client's way is, if that is long: its next request takes as much to be here; until then this answer says all.
   */
  constructor(exchange: Exchange, head: AnswerHead, early: Uint8Array, roundTripMs = 0) {
    this.#exchange = exchange;
    this.#head = head;
    this.#early = early;
    this.#roundTripMs = Math.min(roundTripMs, HOLD_MS_MAX);
    this.#writes = new SlowStart((octets) => exchange.response.write(octets), exchange.core.settings.clock);
    this.#cancelTimer = this.#after(SILENCE_MS_MAX, () => this.#refuse(new DuowireError("service_failed")));
    const closed = () => this.#closed();
    if (exchange.response.closed) queueMicrotask(closed);
    else exchange.response.once("close", closed);
  }

  get queuedBytes(): number {
    return this.#exchange.response.writableLength + this.#writes.queuedBytes;
  }

  listen(events: LinkEvents): void {
    this.#events = events;
    if (this.#early.length === 0) return;
    // As if they came from the wire: after the turn in which the process took the link.
    queueMicrotask(() => {
      if (this.#state !== "ended") events.receive(this.#early);
    });
  }

  send(octets: Uint8Array): void {
    if (this.#state === "ended" || octets.length === 0) return;
    const { response } = this.#exchange;
    if (this.#state === "open") {
      // The first results at once, what follows them at the pace of a new connection.
      if (!this.#writes.hasBegun) this.#writes.begin(this.#roundTripMs);
      this.#writes.send(octets);
      return;
    }
    if (octets[0] === frameTypes.refused) {
      this.#refuse(readRefusal(octets));
      return;
    }
    this.#state = "open";
    response.writeHead(this.#head.status, {
      ...answerHeaders(this.#exchange),
      "content-type": "application/octet-stream",
      // nginx would otherwise keep the first results until the answer ends.
      "x-accel-buffering": "no",
      ...this.#head.headers,
    });
    // Head and first frames leave together, now.
    response.write(octets);
    this.#cancelTimer();
    const holdMs = Math.max(this.#exchange.core.settings.firstAnswerHoldMs, this.#roundTripMs);
    this.#cancelTimer = this.#after(holdMs, () => this.close("the first answer was held long enough"));
  }

  close(reason: string): void {
    if (this.#state === "ended") return;
    if (this.#state === "silent") {
      this.#refuse(new DuowireError("service_failed"));
      return;
    }
    this.#writes.flush();
    this.#end(reason);
    this.#exchange.response.end();
  }

  #refuse(error: DuowireError): void {
    this.#end(error.message);
    // Whoever says it, and however: to the client it is the one answer that says nothing.
    refuse(this.#exchange, error.code === "session_unknown" ? sessionUnknown() : error);
  }

  #end(reason: string): void {
    this.#state = "ended";
    this.#reason = reason;
    this.#how = "answered";
    this.#cancelTimer();
    this.#cancelTimer = this.#after(LEAVE_MS_MAX, () => this.#exchange.response.destroy());
  }

  #closed(): void {
    this.#state = "ended";
    this.#cancelTimer();
    this.#events?.closed(this.#reason, this.#how);
  }

  #after(ms: number, run: () => void): CancelTimer {
    return this.#exchange.core.settings.clock.after(ms, run);
  }
}

/** The process's own refusal, so that it is answered with the status of its code. */
function readRefusal(octets: Uint8Array): DuowireError {
  let refusal = new DuowireError("service_failed");
  decodeFrames(octets, (frame) => {
    if (frame.type !== "refused" || !isErrorCode(frame.code)) return;
    const { code, message, retryAfterMs } = frame;
    refusal = new DuowireError(code, message, retryAfterMs === undefined ? {} : { retryAfterMs });
  });
  return refusal;
}
