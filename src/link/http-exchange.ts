/**
 * A link over plain HTTP requests (D10): frames in the request's body, frames in the answer. Requests are numbered and
 * each has one answer of the same number; answers are read in the order of their numbers, so that the link is first-in
 * first-out although its requests travel on any connection, late or twice.
 *
 * There is always one request under way, whose answer the server keeps open to send in, and one more that brings what
 * this side has to say: then the server ends the older answer and goes on in the newer one. On a way so long that the
 * next words would wait for that, further ones follow at a distance (`PACE_MS`). Streaming and polling differ in one
 * knob only, how long an answer is kept open after its first frames. Where no answer may wait (parking.ts), there is a
 * request now and then.
 */

import { farMs } from "#post";
import { type CancelTimer, systemClock } from "../base/clock.js";
import { joinOctets } from "../base/octets.js";
import { encodeFrame, FRAME_HEAD_BYTES, frameLengthAt, frameTypes } from "../frame/frame.js";
import type { Link, LinkEnd, LinkEvents } from "../frame/link.js";
import { type RequestEnd, requestFrames } from "./frames-request.js";
import { alwaysGranted, type ClaimParking, type ParkingClaim } from "./parking.js";
import { REQUESTS_AT_ONCE, REQUESTS_AT_ONCE_MAX } from "./post.js";

/** How the answers of a link are kept: `parkMs` until their first frames, `holdMs` after them. */
export interface ExchangeMode {
  readonly parkMs: number;
  readonly holdMs: number;
}

/** Answers stay open and frames stream in them. */
export const streaming: ExchangeMode = { parkMs: 20_000, holdMs: 20_000 };
/** Answers wait for frames and end with them: for proxies that hold an answer back until it is whole. */
export const polling: ExchangeMode = { parkMs: 20_000, holdMs: 0 };

/** Answers that hardly wait: long enough for a quick answer and an acknowledgement. */
const asking: ExchangeMode = { parkMs: 100, holdMs: 0 };
/** The next request follows after the first figure; twice as long each time that nothing came, up to the second. */
const PAUSE_MS = 100;
const PAUSE_MS_MAX = 1_600;

/** A request that brought no whole answer is sent again, octet for octet, this often; then the link is dead. */
const TRIES_MAX = 3;
/** What a later answer has overtaken comes within this time and a round trip, or not at all. */
const OVERTAKEN_MS = 100;
/** Connections that break together do so within this time. */
const FRESH_MS = 30;
/** The octets of one request's body: less than any server takes (accessBytesMax). */
const REQUEST_BYTES_MAX = 131_072;
/** Requests beyond the second keep this distance: then the fourth meets the end of the first. */
const PACE_MS = 100;
/** On a long way an answer is written to so often in a round trip at most: see SlowStart; it lasts half of one. */
const ANSWER_WRITES = 12;

interface Request {
  readonly number: number;
  /** Undefined until there is a connection that takes it: what is said meanwhile travels with it. */
  body: Uint8Array | undefined;
  leftAt: number;
  /** Its answer waits for frames. */
  isParked: boolean;
  tries: number;
  triedAt: number;
  /** Octets of the answer's frames that were read, over all tries: a repeated answer begins anew. */
  readBytes: number;
  /** What came before it was this answer's turn. */
  early: Uint8Array[];
  /** One for each try: a signal that lives as long as a link would gather a listener from every request. */
  abort: AbortController;
  /** When octets of its answer came last. */
  heardAt: number;
  /** This try was given up because of what other requests met. */
  isDoubted: boolean;
  wasOvertaken: boolean;
  isWhole: boolean;
}

/** Who a link's requests come from. */
export interface ExchangeIdentity {
  /** 16 random octets, new for each link. */
  readonly link: Uint8Array;
  /** The session's key. */
  readonly key: Uint8Array;
}

/**
 * Opens a link of requests to `href`. Never throws: what goes wrong closes the link. `claim` asks whether its answers
 * may wait at the server; as long as they may not, it asks now and then.
 */
export function openHttpExchangeLink(
  href: string,
  identity: ExchangeIdentity,
  mode: ExchangeMode,
  claim: ClaimParking = alwaysGranted,
): Link {
  return new HttpExchangeLink(href, identity, mode, claim);
}

class HttpExchangeLink implements Link {
  readonly kind = "http-exchange";
  queuedBytes = 0;
  private readonly requests: Request[] = [];
  private queue: Uint8Array[] = [];
  private events: LinkEvents | undefined;
  private lastNumber = 0;
  private confirmed = 0;
  private pumpIsDue = false;
  private paceTimer: ReturnType<typeof setTimeout> | undefined;
  /** How long the last answer took to begin. */
  private roundTripMs = 0;
  private cancelOvertake: CancelTimer | undefined;
  private isEnding = false;
  private lastTimer: ReturnType<typeof setTimeout> | undefined;
  private readonly parking: ParkingClaim;
  private pauseTimer: ReturnType<typeof setTimeout> | undefined;
  private pauseMs = PAUSE_MS;

  constructor(
    private readonly href: string,
    private readonly identity: ExchangeIdentity,
    private readonly mode: ExchangeMode,
    claim: ClaimParking,
  ) {
    this.parking = claim(() => this.pump());
  }

  listen(events: LinkEvents): void {
    this.events = events;
    // Nothing has to be opened: the first request is the first write.
    queueMicrotask(() => this.events?.opened());
  }

  send(octets: Uint8Array): void {
    if (this.events === undefined || this.isEnding) return;
    this.queue.push(octets);
    this.queuedBytes += octets.length;
    this.wake();
  }

  close(reason: string): void {
    if (this.isEnding) return;
    this.isEnding = true;
    // What waits leaves in a last request, whose answer nobody waits for any more.
    queueMicrotask(() => {
      if (this.queue.length > 0 && !this.isAboutToLeave) this.post();
      this.end(reason, "answered");
    });
  }

  private wake(): void {
    if (this.pumpIsDue) return;
    this.pumpIsDue = true;
    queueMicrotask(() => {
      this.pumpIsDue = false;
      this.pump();
    });
  }

  private pump(): void {
    if (this.events === undefined || this.isEnding) return;
    const { requests, parking } = this;
    // Both places may have become free at once, and the next time that somebody pumps may be far.
    if (this.queue.length > 0) return this.postSoon();
    if (this.lastNumber === 0) return;
    // The place was taken back: a request that does not wait ends the answer that does.
    const mustLeave = requests.length === 1 && requests[0]?.isParked && !parking.isGranted;
    if (mustLeave || (requests.length === 0 && parking.isGranted)) return this.post();
    if (requests.length === 0) this.pauseTimer ??= setTimeout(() => this.post(), this.pauseMs);
  }

  /** The next request takes all that waits, when there is a place for it. */
  private postSoon(): void {
    const { requests } = this;
    if (this.isAboutToLeave) return;
    if (requests.length < REQUESTS_AT_ONCE) return this.post();
    // A server that is slow to answer because it has too much to do does not get more: the way itself must be long.
    const roundTripMs = farMs(this.href);
    if (roundTripMs === 0 || requests.length >= REQUESTS_AT_ONCE_MAX) return;
    const leftMsAgo = performance.now() - (requests.at(-1)?.leftAt ?? 0);
    // Spread over the round trip, after which the first of them makes room for the next.
    const paceMs = Math.max(PACE_MS, roundTripMs / (REQUESTS_AT_ONCE_MAX - 1));
    if (leftMsAgo >= paceMs) return this.post();
    this.paceTimer ??= setTimeout(() => {
      this.paceTimer = undefined;
      this.pump();
    }, paceMs - leftMsAgo);
  }

  /** The last request waits for a connection, and takes along whatever is queued by then. */
  private get isAboutToLeave(): boolean {
    const last = this.requests.at(-1);
    return last !== undefined && last.body === undefined;
  }

  private post(): void {
    clearTimeout(this.pauseTimer);
    this.pauseTimer = undefined;
    this.lastNumber += 1;
    const request: Request = {
      number: this.lastNumber,
      body: undefined,
      leftAt: 0,
      isParked: this.parking.isGranted,
      tries: 0,
      triedAt: 0,
      readBytes: 0,
      early: [],
      isWhole: false,
      abort: new AbortController(),
      heardAt: 0,
      isDoubted: false,
      wasOvertaken: false,
    };
    this.requests.push(request);
    void this.run(request);
  }

  private bodyOf(request: Request): Uint8Array {
    if (request.body !== undefined) return request.body;
    const { number } = request;
    const { isGranted } = this.parking;
    this.pauseMs = this.queue.length > 0 ? PAUSE_MS : Math.min(PAUSE_MS_MAX, 2 * this.pauseMs);
    const mode = isGranted ? this.mode : asking;
    const paceMs = Math.ceil(farMs(this.href) / ANSWER_WRITES);
    const pace = paceMs > 0 ? { paceMs } : {};
    const { identity, confirmed } = this;
    const head = encodeFrame({ type: "exchange", ...identity, number, confirmed, ...mode, ...pace });
    request.isParked = isGranted;
    request.leftAt = performance.now();
    request.body = joinOctets([head, ...this.takeQueue()]);
    this.wake();
    return request.body;
  }

  /** As many writes as one request carries; the first in any case. */
  private takeQueue(): Uint8Array[] {
    let bytes = 0;
    let count = 0;
    for (const octets of this.queue) {
      bytes += octets.length;
      if (count > 0 && bytes > REQUEST_BYTES_MAX) break;
      count += 1;
    }
    const taken = this.queue.splice(0, count);
    for (const octets of taken) this.queuedBytes -= octets.length;
    return taken;
  }

  private async run(request: Request): Promise<void> {
    for (;;) {
      request.tries += 1;
      request.triedAt = performance.now();
      const { reason, end } = await this.try(request);
      if (this.events === undefined) return this.wasLast(request);
      if (request.isWhole) return this.advance();
      if (request.isDoubted) request.tries -= 1;
      else if (request.tries >= TRIES_MAX || end === "refused") return this.end(reason, end);
      else this.doubtOthers(request);
      request.isDoubted = false;
      request.abort = new AbortController();
    }
  }

  private try(request: Request): Promise<RequestEnd> {
    let skipBytes = request.readBytes;
    const receive = (frames: Uint8Array) => {
      skipBytes = this.receive(request, frames, skipBytes);
    };
    return requestFrames(this.href, () => this.bodyOf(request), request.abort.signal, receive);
  }

  /**
   * A connection broke. What broke it may have broken those of the other requests too, and whoever only waits for an
   * answer is never told: so they are sent again. What was sent after it, and just now, may be the second try already.
   */
  private doubtOthers(broken: Request): void {
    const since = Math.max(broken.triedAt, performance.now() - FRESH_MS);
    for (const other of this.requests) if (other !== broken && other.triedAt <= since) this.doubt(other);
  }

  /**
   * The answer to `later` has begun, so those before it were ended. Where nothing more comes of one of them, it was
   * lost, and only the server's end of its connection may have been told.
   */
  private overtakes(later: Request): void {
    const begunAt = performance.now();
    const lose = () => {
      this.cancelOvertake = undefined;
      if (this.events === undefined) return;
      for (const other of this.requests) {
        if (other.number >= later.number || other.heardAt > begunAt || other.wasOvertaken) continue;
        other.wasOvertaken = true;
        this.doubt(other);
      }
    };
    this.cancelOvertake ??= systemClock.after(OVERTAKEN_MS + this.roundTripMs, lose);
  }

  private doubt(request: Request): void {
    if (request.isWhole || request.body === undefined) return;
    request.isDoubted = true;
    request.abort.abort();
  }

  /** Takes frames of one try of an answer; returns how many octets of this try are still known from an earlier one. */
  private receive(request: Request, frames: Uint8Array, skipBytes: number): number {
    const isOurs = frames[0] === frameTypes.exchange || request.readBytes > 0;
    if (!isOurs && (frames[0] !== frameTypes.refused || request.number > 1)) {
      // The server that knew this link has forgotten it; what has become of the session, the next attach will tell.
      this.end("the server does not know this link any more", "lost");
      return 0;
    }
    request.heardAt = performance.now();
    if (request.readBytes === 0) {
      this.roundTripMs = request.heardAt - request.triedAt;
      if (request !== this.requests[0]) this.overtakes(request);
    }
    let skip = skipBytes;
    const parts: Uint8Array[] = [];
    for (let offset = 0; offset < frames.length; ) {
      const length = frameLengthAt(frames, offset) ?? FRAME_HEAD_BYTES;
      const frame = frames.subarray(offset, offset + length);
      offset += length;
      if (skip > 0) skip -= length;
      else {
        request.readBytes += length;
        if (frame[0] !== frameTypes.exchange) parts.push(frame);
        else if (request.readBytes > length) request.isWhole = true;
      }
    }
    if (parts.length > 0) this.deliver(request, joinOctets(parts));
    return skip;
  }

  private deliver(request: Request, frames: Uint8Array): void {
    this.pauseMs = PAUSE_MS;
    if (request === this.requests[0]) this.events?.receive(frames);
    else request.early.push(frames.slice());
  }

  /** Answers that are whole are over, in order; the next one's frames have their turn. */
  private advance(): void {
    while (this.requests[0]?.isWhole) {
      this.confirmed = (this.requests.shift() as Request).number;
      for (const frames of this.requests[0]?.early.splice(0) ?? []) this.events?.receive(frames);
    }
    this.pump();
  }

  private end(reason: string, end: LinkEnd): void {
    const { events } = this;
    if (events === undefined) return;
    this.events = undefined;
    this.isEnding = true;
    this.parking.release();
    clearTimeout(this.pauseTimer);
    clearTimeout(this.paceTimer);
    if (end !== "answered") this.abortAll();
    else if (this.requests.length > 0) this.lastTimer = setTimeout(() => this.abortAll(), LAST_REQUEST_MS);
    events.closed(reason, end);
  }

  /** The link is over, and one of its requests too. */
  private wasLast(request: Request): void {
    this.requests.splice(this.requests.indexOf(request), 1);
    if (this.requests.length === 0) clearTimeout(this.lastTimer);
  }

  private abortAll(): void {
    for (const { abort } of this.requests) abort.abort();
  }
}

/** How long the last request of a link that was closed may take to leave. */
const LAST_REQUEST_MS = 1_000;
