/**
 * The server's end of an http-exchange link (D10): takes requests in the order of their numbers, whatever order they
 * come in, answers a repeated one with the same octets, and keeps an answer until the next request confirms it.
 */
import type { CancelTimer, Clock } from "../base/clock.js";
import type { ExchangeFrame } from "../frame/control.js";
import { encodeFrame } from "../frame/frame.js";
import type { Link, LinkEnd, LinkEvents } from "../frame/link.js";
import { REQUESTS_AT_ONCE_MAX } from "./post.js";

/** One HTTP answer that is being made. */
export interface ExchangeAnswer {
  /** Sends octets at once; the head goes before the first. */
  write(octets: Uint8Array): void;
  /** Ends the answer; the head goes first if nothing was sent. */
  end(): void;
  readonly queuedBytes: number;
}

interface Kept {
  readonly head: ExchangeFrame;
  /** The answer's octets so far: they are sent again when the request comes again. */
  readonly octets: Uint8Array[];
  bytes: number;
  /** Something besides the head was sent. */
  hasFrames: boolean;
  isWhole: boolean;
  answer: ExchangeAnswer | undefined;
}

interface Early {
  readonly head: ExchangeFrame;
  readonly frames: Uint8Array;
  readonly answer: ExchangeAnswer;
}

/** An answer is ended when it holds this much: it is kept until it is confirmed. */
const ANSWER_BYTES_MAX = 262_144;
/** Requests that came before their turn: all that a client may have under way, but for the one they wait for. */
const EARLY_MAX = REQUESTS_AT_ONCE_MAX - 1;
/** Answers that are kept: of all that a client may have under way, and of the last request of a link that it closes. */
const ANSWERS_KEPT_MAX = REQUESTS_AT_ONCE_MAX + 1;
/** However long a client's way is, frames follow each other in one answer after this time at most. */
const PACE_MS_MAX = 100;
/** A link without a request under way is dead after this long. */
const IDLE_MS = 10_000;
/** No client keeps an answer open for longer, whatever it asks for: proxies end idle answers after about a minute. */
const KEEP_MS_MAX = 30_000;

/** Accepts the requests of one link. */
export class AcceptedExchangeLink implements Link {
  readonly kind = "http-exchange";
  private events: LinkEvents | undefined;
  private readonly answers = new Map<number, Kept>();
  private readonly early = new Map<number, Early>();
  private current: Kept | undefined;
  private pending: Uint8Array[] = [];
  private pendingBytes = 0;
  private isPacing = false;
  private cancelPace: CancelTimer | undefined;
  private received = 0;
  private cancelAnswer: CancelTimer | undefined;
  private cancelIdle: CancelTimer | undefined;
  /** Why the link is being ended, once it is. */
  private closeReason: string | undefined;
  private isOver = false;

  constructor(
    private readonly clock: Clock,
    private readonly identification: Uint8Array,
    /** The link is dead: whoever keeps it by its identification can forget it. */
    private readonly forget: () => void,
  ) {
    this.waitForRequest();
  }

  get queuedBytes(): number {
    return this.pendingBytes + (this.current?.answer?.queuedBytes ?? 0);
  }

  listen(events: LinkEvents): void {
    this.events = events;
  }

  /** A request of this link came. False: it belongs to a link that is dead, and is to be refused. */
  request(head: ExchangeFrame, frames: Uint8Array, answer: ExchangeAnswer): boolean {
    if (this.isOver || head.number - head.confirmed > ANSWERS_KEPT_MAX) return false;
    for (const number of this.answers.keys()) if (number <= head.confirmed) this.answers.delete(number);
    if (head.number <= this.received) return this.repeat(head.number, answer);
    if (head.number > this.received + 1) {
      const copy = this.early.get(head.number);
      if (copy === undefined && this.early.size >= EARLY_MAX) return false;
      // Whoever still waits for the answer to the older copy asks again.
      copy?.answer.end();
      this.early.set(head.number, { head, frames: frames.slice(), answer });
      return true;
    }
    this.take({ head, frames, answer });
    for (let next = this.early.get(this.received + 1); next; next = this.early.get(this.received + 1)) {
      this.early.delete(next.head.number);
      this.take(next);
    }
    return true;
  }

  /** The connection of an answer broke; the request may come again. */
  aborted(answer: ExchangeAnswer): void {
    for (const kept of this.answers.values()) if (kept.answer === answer) kept.answer = undefined;
    if (this.current?.answer === undefined) this.waitForRequest();
  }

  send(octets: Uint8Array): void {
    if (!this.isOver && this.closeReason === undefined) this.deliver(octets);
  }

  private deliver(octets: Uint8Array): void {
    const { current } = this;
    if (current !== undefined && !current.isWhole && !this.isPacing) return this.write(current, octets);
    this.pending.push(octets);
    this.pendingBytes += octets.length;
  }

  /** What waits leaves; an answer that is full ends on the way, and the rest waits for the next one. */
  private deliverPending(): void {
    this.cancelPace?.();
    this.cancelPace = undefined;
    this.isPacing = false;
    const waiting = this.pending;
    this.pending = [];
    this.pendingBytes = 0;
    for (const octets of waiting) this.deliver(octets);
  }

  /** From the end of this turn on, frames wait for a moment. */
  private pace({ paceMs = 0 }: ExchangeFrame): void {
    if (this.cancelPace !== undefined || paceMs === 0) return;
    const cancel = this.clock.after(Math.min(paceMs, PACE_MS_MAX), () => this.deliverPending());
    this.cancelPace = cancel;
    this.clock.atTurnEnd(() => {
      if (this.cancelPace === cancel) this.isPacing = true;
    });
  }

  close(reason: string): void {
    if (this.isOver || this.closeReason !== undefined) return;
    this.closeReason = reason;
    this.deliverPending();
    // What waits for a request (the first, or one with room in its answer) has its say in the answer to that one.
    if (this.current !== undefined && this.pending.length === 0) this.finish(this.current, reason);
  }

  private finish(kept: Kept, reason: string): void {
    this.endAnswer(kept);
    queueMicrotask(() => this.end(reason, "answered"));
  }

  private take({ head, frames, answer }: Early): void {
    this.received = head.number;
    this.cancelIdle?.();
    const before = this.current;
    const kept: Kept = { head, octets: [], bytes: 0, hasFrames: false, isWhole: false, answer };
    this.answers.set(head.number, kept);
    this.current = kept;
    if (before !== undefined) this.endAnswer(before);
    // The head leaves at once when frames may stream after it: it shows whether answers come through unbuffered.
    this.put(kept, this.mark(head.number));
    this.planEnd(kept, Math.min(head.parkMs, KEEP_MS_MAX));
    this.deliverPending();
    if (this.closeReason === undefined) {
      if (frames.length > 0) this.events?.receive(frames);
    } else if (this.pending.length === 0) this.finish(kept, this.closeReason);
  }

  private repeat(number: number, answer: ExchangeAnswer): boolean {
    const kept = this.answers.get(number);
    if (kept === undefined) return false;
    kept.answer?.end();
    kept.answer = answer;
    for (const octets of kept.octets) answer.write(octets);
    if (kept.isWhole) answer.end();
    this.cancelIdle?.();
    return true;
  }

  private write(kept: Kept, octets: Uint8Array): void {
    if (!kept.hasFrames) {
      kept.hasFrames = true;
      this.planEnd(kept, Math.min(kept.head.holdMs, KEEP_MS_MAX));
    }
    this.put(kept, octets);
    this.pace(kept.head);
    if (kept.bytes >= ANSWER_BYTES_MAX) this.endAnswer(kept);
  }

  private put(kept: Kept, octets: Uint8Array): void {
    kept.octets.push(octets);
    kept.bytes += octets.length;
    kept.answer?.write(octets);
  }

  /** When the answer ends if nothing else ends it; without any time, when this turn is over. */
  private planEnd(kept: Kept, ms: number): void {
    this.cancelAnswer?.();
    this.cancelAnswer = undefined;
    if (ms > 0) this.cancelAnswer = this.clock.after(ms, () => this.endAnswer(kept));
    else this.clock.atTurnEnd(() => this.endAnswer(kept));
  }

  private endAnswer(kept: Kept): void {
    if (kept.isWhole) return;
    kept.isWhole = true;
    this.put(kept, this.mark(kept.head.number));
    kept.answer?.end();
    if (kept === this.current) {
      this.cancelAnswer?.();
      this.waitForRequest();
    }
  }

  private mark(number: number): Uint8Array {
    const { identification: link, received: confirmed } = this;
    return encodeFrame({ type: "exchange", link, number, confirmed, parkMs: 0, holdMs: 0 });
  }

  private waitForRequest(): void {
    // The connection of the last answer ends after the link did.
    if (this.isOver) return;
    this.cancelIdle?.();
    this.cancelIdle = this.clock.after(IDLE_MS, () => this.end("no request came for too long", "lost"));
  }

  private end(reason: string, end: LinkEnd): void {
    if (this.isOver) return;
    this.isOver = true;
    this.cancelAnswer?.();
    this.cancelPace?.();
    this.cancelIdle?.();
    for (const { answer } of this.early.values()) answer.end();
    for (const { answer, isWhole } of this.answers.values()) if (!isWhole) answer?.end();
    this.pending = [];
    this.forget();
    this.events?.closed(reason, end);
  }
}
