/**
 * The one loop: drains the session core's outputs, keeps its one timer, feeds the application (rpc/), and makes one
 * write of each turn of the event loop (D8). Everything else of a session is pure; this is where it meets time and
 * links, and both come in as arguments.
 */
import type { CancelTimer, Clock } from "../base/clock.js";
import { DuowireError, protocolError } from "../base/errors.js";
import { joinOctets, MalformedOctets } from "../base/octets.js";
import type { AccessFrame, AttachFrame, GoAwayFrame, RefusedFrame, WelcomeFrame } from "../frame/control.js";
import { decodeFrames } from "../frame/frame.js";
import { AHEAD_BYTES_MAX, type AnnouncedLimits, WINDOW_RESERVE_BYTES, WRITE_BYTES_MAX } from "../frame/limits.js";
import type { Link } from "../frame/link.js";
import type { Outgoing } from "../session/outgoing.js";
import type { AttachProof, LinkNumber, SessionOptions, SessionOutput, WelcomeExtras } from "../session/outputs.js";
import { Session } from "../session/session.js";
import type { SessionState } from "../session/states.js";
import type { Verdict } from "../session/takeover.js";

/** What a driver feeds: the calls of one conversation. It writes its messages into {@link Outgoing}. */
export interface Application {
  /** Whole messages, once and in order. Throws MalformedOctets or a DuowireError for a violation: the session ends. */
  receive(messages: Uint8Array, peerClockMs: number): void;
  /** The messages of {@link ahead} of the far side. */
  receiveAhead(messages: Uint8Array): void;
  /** What the far side takes. Comes before anything else of it, and again after each attach. */
  setLimits(limits: AnnouncedLimits): void;
  /** Coalesced messages that go although the window is full, of at most `bytesMax` octets; undefined for none (D9). */
  urgent(bytesMax: number): Uint8Array | undefined;
  /** Messages of at most `bytesMax` octets that take effect before a replay (D14); undefined for none. */
  ahead(bytesMax: number): Uint8Array | undefined;
  /** Whether the far side owes anything, such as an answer. */
  readonly isBusy: boolean;
  /** Whether more is to be queued as soon as less waits: {@link urgent} queues it. */
  readonly isHeldBack?: boolean;
  /** The session is closed; nothing follows. */
  end(reason: DuowireError): void;
}

/** Whom a driver tells what happens. */
export interface DriverEvents {
  state(state: SessionState, reason: DuowireError | undefined): void;
  /** Client: an attach was answered; the session goes on over `link`. */
  welcomed?(welcome: WelcomeFrame, link: Link): void;
  /** Client: an attach was refused; the link is of no more use. */
  refused?(refusal: RefusedFrame, link: Link): void;
  /** Client: the server will end the session soon. */
  goingAway?(goAway: GoAwayFrame): void;
  /** A turn has ended: whatever came has been dealt with, and what was queued has left as far as it may. */
  turnEnded?(): void;
  /** Client: the attached link does not answer: look for another path; or it does again. */
  suspect?(isSuspect: boolean): void;
  /** A bug of ours was caught: the session has been ended, its process should be. */
  bug?(error: unknown): void;
}

/** What a driver is made with. */
export interface DriverOptions extends SessionOptions {
  readonly clock: Clock;
  readonly events: DriverEvents;
  /** Makes the application; `wake` must be called when it has queued something. */
  readonly application: (outgoing: Outgoing, wake: () => void) => Application;
}

/** Frames of at most this size share a write; a longer one is written alone, without a copy. */
const SHARED_WRITE_BYTES_MAX = 16_384;
/** A companion in which more waits has stopped: what it is not given comes over the other link all the same. */
const COPIES_QUEUED_MAX = 16_384;
/** A shared write is not made longer than this. */
const WRITE_BYTES = 65_536;

/** Drives one session at one of its ends. */
export class Driver {
  readonly session: Session;
  readonly application: Application;
  private readonly clock: Clock;
  private readonly events: DriverEvents;
  private readonly links = new Map<LinkNumber, Link>();
  private lastLink = 0;
  private flushIsDue = false;
  private isDraining = false;
  /** A message broke the protocol, or us: nothing that came behind it is delivered. */
  private isBroken = false;
  private cancelTimer: CancelTimer | undefined;
  private timerAt = Number.POSITIVE_INFINITY;
  private readonly windowBytes: number;
  private peerWindowBytes: number;

  constructor(options: DriverOptions) {
    this.clock = options.clock;
    this.windowBytes = this.peerWindowBytes = options.limits.windowBytes;
    this.events = options.events;
    this.session = new Session(options, this.clock.monotonicMs());
    this.application = options.application(this.session.outgoing, () => this.wake());
    this.setTimer();
  }

  /** The link that is attached, or is being attached. */
  get link(): Link | undefined {
    const number = this.session.attachedLink;
    return number === undefined ? undefined : this.links.get(number);
  }

  /** Takes a link that its owner listens to; the owner passes on what comes, by the number that it gets here. */
  adopt(link: Link): LinkNumber {
    this.lastLink += 1;
    this.links.set(this.lastLink, link);
    return this.lastLink;
  }

  /** Client: attaches over an adopted link. With `oneWrite`, only what is queued now travels on it. */
  attach(link: LinkNumber, proof: AttachProof, incarnation: Uint8Array, oneWrite = false): void {
    const ahead = this.application.ahead(AHEAD_BYTES_MAX);
    this.session.attach(link, proof, incarnation, ahead, this.clock.monotonicMs());
    this.flush();
    if (oneWrite) this.session.endWrite();
  }

  /** Client: an adopted link accompanies the attached one. */
  accompany(link: LinkNumber, proof: AttachProof, incarnation: Uint8Array): void {
    this.session.accompany(link, proof, incarnation, this.clock.monotonicMs());
    this.drain();
  }

  /** Server: an attach that has proved itself came over an adopted link. */
  receiveAttach(link: LinkNumber, attach: AttachFrame | AccessFrame, extras: WelcomeExtras): Verdict {
    const ahead = this.application.ahead(AHEAD_BYTES_MAX);
    const isAnswer = this.links.get(link)?.kind === "access";
    const verdict = this.session.receiveAttach(link, attach, extras, ahead, this.clock.monotonicMs(), isAnswer);
    // The link belongs to the conversation that follows this one.
    if (verdict === "supersede") this.links.delete(link);
    this.flush();
    return verdict;
  }

  /** Whole frames came over an adopted link. */
  receive(link: LinkNumber, octets: Uint8Array): void {
    const now = this.clock.monotonicMs();
    this.guarded(() => decodeFrames(octets, (frame) => this.session.receive(link, frame, now)), link);
    this.drain();
    this.wake();
  }

  /** An adopted link has died. */
  linkClosed(link: LinkNumber): void {
    this.links.delete(link);
    this.session.linkClosed(link);
    this.drain();
    this.wake();
  }

  /** Ends the session in good order. */
  close(reason: DuowireError): void {
    const now = this.clock.monotonicMs();
    // A call that leaves now and was cancelled in this turn must not run.
    this.sendUrgent(now);
    this.session.close(reason, now);
    this.flush();
  }

  /** Ends the session at once. */
  fail(reason: DuowireError): void {
    this.session.fail(reason);
    this.drain();
    this.setTimer();
  }

  /** Asks the far side for a sign of life now. */
  ping(): void {
    this.session.sendPing(this.clock.monotonicMs());
    this.wake();
  }

  /** Something was queued: it leaves at the end of this turn. */
  wake(): void {
    if (this.flushIsDue) return;
    this.flushIsDue = true;
    this.clock.atTurnEnd(() => {
      if (this.flushIsDue) this.flush();
    });
  }

  /** Ends the turn now. */
  flush(): void {
    this.flushIsDue = false;
    const now = this.clock.monotonicMs();
    this.sendUrgent(now);
    this.session.setBusy(this.application.isBusy);
    const waitedBytes = this.session.outgoing.queuedBytes;
    this.session.flush(now);
    this.drain();
    this.setTimer();
    if (this.application.isHeldBack && this.session.outgoing.queuedBytes < waitedBytes) this.wake();
    this.events.turnEnded?.();
  }

  private sendUrgent(now: number): void {
    const room = this.session.urgentRoom();
    const urgent = room > 0 ? this.application.urgent(room) : undefined;
    if (urgent !== undefined) this.session.sendUrgent(urgent, now);
  }

  private drain(): void {
    if (this.isDraining) return;
    this.isDraining = true;
    try {
      for (let output = this.session.poll(); output !== undefined; output = this.session.poll()) this.handle(output);
    } finally {
      this.isDraining = false;
    }
  }

  private handle(output: SessionOutput): void {
    switch (output.type) {
      case "transmit":
        return this.transmit(output.link, output.frames, output.isCopy);
      case "deliver": {
        if (this.isBroken) return;
        const peerClockMs = this.session.clocks.peerMs(this.clock.monotonicMs());
        return this.guarded(() => this.application.receive(output.messages, peerClockMs));
      }
      case "ahead":
        return this.guarded(() => this.application.receiveAhead(output.messages));
      case "limits":
        this.peerWindowBytes = output.limits.windowBytes;
        return this.application.setLimits(output.limits);
      case "drop":
        return this.dropLink(output.link, output.reason);
      case "state":
        return this.stateChanged(output.state, output.reason);
      case "welcomed":
        return this.events.welcomed?.(output.welcome, this.links.get(output.link) as Link);
      case "refused": {
        const link = this.links.get(output.link) as Link;
        this.dropLink(output.link, output.refusal.code);
        return this.events.refused?.(output.refusal, link);
      }
      case "goaway":
        return this.events.goingAway?.(output.goAway);
      case "suspect":
        return this.events.suspect?.(output.isSuspect);
    }
  }

  /** One guarded entry for everything that comes from the far side: whatever is thrown ends this session only. */
  private guarded(run: () => void, link = this.session.attachedLink): void {
    try {
      run();
    } catch (error) {
      if (link !== undefined && link !== this.session.attachedLink && error instanceof MalformedOctets) {
        this.session.linkClosed(link);
        return this.dropLink(link, "malformed octets on a link that is not attached");
      }
      this.isBroken = this.isDraining;
      if (error instanceof DuowireError) return this.session.fail(error);
      if (error instanceof MalformedOctets) return this.session.fail(protocolError(error.message));
      this.session.fail(new DuowireError("internal_error", undefined, { side: "local", cause: error }));
      this.events.bug?.(error);
    }
  }

  private stateChanged(state: SessionState, reason: DuowireError | undefined): void {
    if (state === "closed") {
      this.application.end(reason ?? new DuowireError("closed"));
      for (const number of [...this.links.keys()]) this.dropLink(number, "the session is closed");
    }
    this.events.state(state, reason);
  }

  private transmit(number: LinkNumber, frames: readonly Uint8Array[], isCopy = false): void {
    const link = this.links.get(number);
    if (link === undefined || (isCopy && link.queuedBytes > COPIES_QUEUED_MAX)) return;
    if (link.queuedBytes <= this.linkBytesMax()) {
      for (const write of writesOf(frames)) link.send(write);
      return;
    }
    this.dropLink(number, "the far side does not read what it asked for");
    this.session.linkClosed(number);
  }

  /**
   * What waits in a link at most while the far side reads (spec/session.md, section 7). Batches keep to the window; but
   * whoever sends PINGs and never reads would fill this side's memory with their PONGs.
   */
  private linkBytesMax(): number {
    const { unackedBytes } = this.session.figures;
    const underWayBytes = Math.max(unackedBytes, this.peerWindowBytes + WINDOW_RESERVE_BYTES);
    return 2 * underWayBytes + this.windowBytes + WRITE_BYTES_MAX;
  }

  private dropLink(number: LinkNumber | undefined, reason: string): void {
    const link = number === undefined ? undefined : this.links.get(number);
    if (link === undefined || number === undefined) return;
    this.links.delete(number);
    link.close(reason);
  }

  /** A timer that is early is kept: it fires, finds nothing due, and is set again. That is cheaper than each change. */
  private setTimer(): void {
    const next = this.session.nextTimeout();
    if (next === Number.POSITIVE_INFINITY || next < this.timerAt) {
      this.cancelTimer?.();
      this.cancelTimer = undefined;
      this.timerAt = Number.POSITIVE_INFINITY;
    }
    if (this.cancelTimer !== undefined || next === Number.POSITIVE_INFINITY) return;
    this.timerAt = next;
    this.cancelTimer = this.clock.after(Math.max(0, next - this.clock.monotonicMs()), () => this.timerFired());
  }

  private timerFired(): void {
    this.cancelTimer = undefined;
    this.timerAt = Number.POSITIVE_INFINITY;
    this.session.handleTimeout(this.clock.monotonicMs());
    this.flush();
  }
}

/** Short frames joined, long ones alone, in order. */
function writesOf(frames: readonly Uint8Array[]): Uint8Array[] {
  if (frames.length === 1) return [frames[0] as Uint8Array];
  const writes: Uint8Array[] = [];
  let shared: Uint8Array[] = [];
  let bytes = 0;
  const endShared = () => {
    if (shared.length > 0) writes.push(joinOctets(shared));
    shared = [];
    bytes = 0;
  };
  for (const frame of frames) {
    const isLong = frame.length > SHARED_WRITE_BYTES_MAX;
    if (isLong || bytes + frame.length > WRITE_BYTES) endShared();
    if (isLong) writes.push(frame);
    else {
      shared.push(frame);
      bytes += frame.length;
    }
  }
  endShared();
  return writes;
}
