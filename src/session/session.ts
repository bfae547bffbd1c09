/**
 * The session core: a conversation that survives its links, without I/O.
 *
 * Method grammar (after quinn and str0m): `receive*`, `attach`, `link*`, `close`, `fail`, `handleTimeout` are inputs
 * and take `now`; {@link Session.poll} gives the outputs they caused, until it is empty; {@link Session.nextTimeout}
 * says when {@link Session.handleTimeout} wants to be called. `flush` ends a turn: what was queued becomes batches.
 *
 * Exactly once, in order: batches are numbered, kept until acknowledged, sent again on the next link, and dropped by
 * the receiver when it has them already. One link is attached; what counts beside it is in attachment.ts (D11).
 */
import { DuowireError, isErrorCode, protocolError } from "../base/errors.js";
import { joinOctets } from "../base/octets.js";
import type { AccessFrame, AttachFields, AttachFrame, CloseFrame, WelcomeFrame } from "../frame/control.js";
import { encodeFrame, type Frame } from "../frame/frame.js";
import {
  BATCH_BYTES_MAX,
  defaultLimits,
  EARLY_BYTES_MAX,
  WINDOW_RESERVE_BYTES,
  WIRE_VERSION,
} from "../frame/limits.js";
import { Acknowledging } from "./acknowledging.js";
import { Attachment } from "./attachment.js";
import { attachFrame, closeFrame, EXPECTED_BEFORE_WELCOME, type Standing, welcomeFrame } from "./handshake.js";
import { Inbox } from "./inbox.js";
import { Outgoing } from "./outgoing.js";
import type { AttachProof, LinkNumber, SessionOptions, SessionOutput, WelcomeExtras } from "./outputs.js";
import { Sending } from "./sending.js";
import { SessionClock } from "./session-clock.js";
import { type SessionInput, type SessionState, sessionTable } from "./states.js";
import { type AcceptedAttach, judgeAttach, type Verdict } from "./takeover.js";
import { leaseReason, type PathUse, SessionTimers } from "./timers.js";

/** The state of one session at one of its ends. */
export class Session {
  readonly outgoing: Outgoing;
  state: SessionState = "fresh";
  /** Why the session is closed. */
  reason: DuowireError | undefined;
  private readonly sending: Sending;
  private readonly inbox: Inbox;
  private readonly timers: SessionTimers;
  private readonly acknowledging: Acknowledging;
  private readonly outputs: SessionOutput[] = [];
  private readonly clock: SessionClock;
  private readonly attached = new Attachment(this.outputs);
  private accepted: AcceptedAttach | undefined;
  private attachNumber = 0;
  private closeTold = false;

  constructor(
    private readonly options: SessionOptions,
    now: number,
  ) {
    this.clock = new SessionClock(now);
    this.outgoing = new Outgoing(options.queueBytesMax, defaultLimits);
    this.sending = new Sending(this.outgoing, this.clock, (frame, now) => {
      this.attached.queue(frame);
      this.timers.sent(now);
    });
    this.inbox = new Inbox(options.limits);
    this.timers = new SessionTimers(options, now);
    this.acknowledging = new Acknowledging(this.inbox, this.timers, this.attached);
  }

  /** This side's session clock and its guess of the far side's (D14). */
  get clocks(): Pick<SessionClock, "localMs" | "peerMs"> {
    return this.clock;
  }

  /** The link that is attached, or is being attached, if any. */
  get attachedLink(): LinkNumber | undefined {
    return this.attached.link;
  }

  /** A link is attached, the attach has been answered, it takes more, and it is not suspect. */
  get isHealthy(): boolean {
    return this.attached.isWritable && this.attached.welcomed && !this.timers.suspected;
  }

  /** Since when the attach of this side is under way, unless that is so long that its path is suspect. */
  get awaitsWelcomeSince(): number | undefined {
    const { link, welcomed, sentAt } = this.attached;
    return link !== undefined && !welcomed && !this.timers.suspected ? sentAt : undefined;
  }

  /** The round-trip time as measured by pings and attaches; undefined before the first. */
  get roundTripMs(): number | undefined {
    return this.timers.roundTripMs;
  }

  /** The shortest round trip of the present link. */
  get leastRoundTripMs(): number | undefined {
    return this.timers.leastRoundTripMs;
  }

  /** Octets kept for replay; batches that came twice, and were dropped; writes that a companion copies, or would. */
  get figures() {
    const { unackedBytes } = this.sending;
    return { unackedBytes, duplicates: this.inbox.duplicates, shortWrites: this.attached.shortWrites };
  }

  /** Something is expected of the far side that the core cannot see (an answer to a call): look closer at the path. */
  setBusy(busy: boolean): void {
    this.timers.busy = busy;
  }

  /**
   * Client: attaches over `link` in place of an older one; a first access that comes again asks beside the one before,
   * as the same attach (D1). What is not acknowledged follows at once, unasked.
   */
  attach(link: LinkNumber, proof: AttachProof, incarnation: Uint8Array, ahead: Uint8Array | undefined, now: number) {
    if (this.state === "closed") return this.attached.drop(link, "the session is closed");
    const isRepeat = proof.type === "access" && this.attachNumber > 0;
    this.attached.ask(link, isRepeat, now);
    this.attachNumber += isRepeat ? 0 : 1;
    this.attached.queue(attachFrame(proof, incarnation, this.attachNumber, this.standing(ahead, now)));
    this.acknowledging.stated();
    this.replay(now);
    this.timers.attachSent(now);
  }

  /** Client: `link` accompanies the attached one: what is short travels on both, and what comes first counts. */
  accompany(link: LinkNumber, proof: AttachProof, incarnation: Uint8Array, now: number): void {
    const attach = attachFrame(proof, incarnation, this.attachNumber, this.standing(undefined, now));
    this.attached.accompany(link, attach, false);
  }

  /** Client: the octets that end the session in one write, for a page that leaves: what is not acknowledged is lost. */
  farewell(proof: AttachProof, incarnation: Uint8Array, reason: DuowireError, now: number): Uint8Array {
    this.attachNumber += 1;
    const attach = attachFrame(proof, incarnation, this.attachNumber, this.standing(undefined, now));
    this.fail(reason);
    return joinOctets([attach, closeFrame(reason, 0)]);
  }

  /** Client: nothing more can be sent on the link of the last {@link attach}; call it after the flush. */
  endWrite(): void {
    this.attached.ended = true;
  }

  /**
   * Server: an ATTACH or ACCESS that has proved itself came over `link`. Applies the verdict: `first` and `takeover`
   * make this the session's link; `companion` lets it carry copies beside that one; `stale` refuses the link;
   * `supersede` changes nothing here: the owner ends this conversation and begins another one. `isAnswer`: the link is
   * one answer to one request, so nothing is acknowledged while it lasts: it carries as much as early calls may; the
   * rest waits for the next link.
   */
  receiveAttach(
    link: LinkNumber,
    attach: AttachFrame | AccessFrame,
    extras: WelcomeExtras,
    ahead: Uint8Array | undefined,
    now: number,
    isAnswer = false,
  ): Verdict {
    const verdict = judgeAttach(this.accepted, attach, this.attached.isWritable);
    if (verdict === "supersede" || this.state === "closed") return verdict;
    const welcome = () => welcomeFrame(attach.attach, this.options.leaseMs, this.standing(ahead, now), extras);
    if (verdict === "stale") this.attached.refuse(link, "attach_stale", "a newer attach of this client was here first");
    if (verdict === "companion") this.attached.accompany(link, welcome(), true);
    if (verdict === "companion") this.accepted = attach;
    if (verdict !== "first" && verdict !== "takeover") return verdict;
    try {
      this.sending.acknowledge(attach.received, now);
    } catch (error) {
      this.attached.refuse(link, "protocol_error", (error as Error).message);
      return verdict;
    }
    this.attached.replace(link, true);
    this.accepted = attach;
    this.acknowledging.stated();
    this.attached.queue(welcome());
    this.timers.received(now, true);
    this.learn(attach, now);
    this.apply("attached");
    this.replay(now, isAnswer ? EARLY_BYTES_MAX : undefined);
    return verdict;
  }

  /** A frame came over `link`. What counts on any link but the attached one is in {@link Attachment}. */
  receive(link: LinkNumber, frame: Frame, now: number): void {
    if (this.state === "closed" || !this.attached.admit(link, frame.type)) return;
    // A refusal renews no lease: it may be a proxy's, and the session behind it long gone.
    if (frame.type !== "refused") this.timers.received(now, this.isOfPath(link));
    try {
      this.receiveFrame(link, frame, now);
      this.tellSuspicion();
    } catch (error) {
      if (error instanceof DuowireError) this.fail(error);
      else throw error;
    }
  }

  /** The link died. Only the attached one matters. */
  linkClosed(link: LinkNumber): void {
    if (!this.attached.lost(link)) return;
    this.timers.linkLost();
    this.apply("link_lost");
  }

  /** Ends the session in good order: what was queued and fits leaves first, then CLOSE; waits `closeMs` at most. */
  close(reason: DuowireError, now: number): void {
    if (this.state === "closed" || this.state === "closing") return;
    this.sending.isPaced = false;
    this.flush(now);
    this.reason = reason;
    this.timers.closeAsked(now);
    this.apply("close_asked");
  }

  /** Ends the session at once; the far side is told if a link is there. */
  fail(reason: DuowireError): void {
    if (this.state === "closed") return;
    this.reason ??= reason;
    this.tellClose();
    this.apply("failed");
  }

  /** Sends urgent messages now, although the window may be full; at most {@link urgentRoom} octets. */
  sendUrgent(messages: Uint8Array, now: number): void {
    this.sending.send({ kind: "whole", octets: messages }, now);
  }

  /** Octets that {@link sendUrgent} takes now: the window, and a reserve beyond it (D9). */
  urgentRoom(): number {
    return this.canSend() ? Math.min(this.sending.urgentRoom(WINDOW_RESERVE_BYTES), BATCH_BYTES_MAX) : 0;
  }

  /** The end of a turn: what is queued becomes batches as far as the window goes, and one write. */
  flush(now: number): void {
    if (this.canSend()) this.sending.makeBatches(now);
    this.acknowledging.send(now);
    this.attached.emit();
  }

  /** When {@link handleTimeout} wants to be called; Infinity for never. */
  nextTimeout(): number {
    return this.state === "closed" ? Number.POSITIVE_INFINITY : this.timers.next(this.state, this.pathUse());
  }

  /** Does whatever is due. */
  handleTimeout(now: number): void {
    if (this.state === "closed") return;
    for (const due of this.timers.due(this.state, this.pathUse(), now)) {
      if (due === "lease") this.end("lease_over", leaseReason(this.options.side, this.state));
      else if (due === "close") this.apply("close_waited");
      else if (due === "suspect") this.tellSuspicion();
      else if (due === "heartbeat") this.sendPing(now, true);
    }
  }

  /** Sends a PING: the answer tells the round-trip time and that the path is alive. */
  sendPing(now: number, isHeartbeat = false): void {
    if (!this.attached.isWritable) return;
    this.attached.queue(encodeFrame({ type: "ping", octets: this.timers.pingSent(now, isHeartbeat) }));
  }

  /** The next thing that is to be done; undefined when there is nothing. */
  poll(): SessionOutput | undefined {
    return this.outputs.shift();
  }

  private receiveFrame(link: LinkNumber, frame: Frame, now: number): void {
    const isNew = link === this.attached.link && !this.attached.welcomed;
    if (isNew && !EXPECTED_BEFORE_WELCOME.has(frame.type)) throw protocolError(`${frame.type} before welcome`);
    switch (frame.type) {
      case "batch":
      case "fragment":
        this.clock.stated(frame.clockMs, now);
        return this.receiveBatch(frame, link !== this.attached.link, now);
      case "ack":
        // Another link may have brought a later one; for this link's path it is progress all the same.
        if (frame.sequence >= this.sending.acked) this.sending.acknowledge(frame.sequence, now);
        if (this.isOfPath(link)) this.timers.progressed(now, this.sending.hasUnacked || !this.attached.welcomed);
        return;
      case "ping":
        return this.attached.queue(encodeFrame({ type: "pong", octets: frame.octets.slice() }));
      case "pong":
        if (this.isOfPath(link)) this.timers.pongCame(frame.octets, now, this.sending.hasUnacked);
        return;
      case "welcome":
        return this.receiveWelcome(link, frame, now);
      case "refused":
        if (this.attached.welcomed) throw protocolError("refused inside a session");
        this.outputs.push({ type: "refused", refusal: frame, link });
        return this.linkClosed(link);
      case "close":
        return this.receiveClose(frame);
      case "goaway":
        return void this.outputs.push({ type: "goaway", goAway: frame });
      case "closed":
        return this.apply("close_confirmed");
      default:
        throw protocolError(`${frame.type} inside a session`);
    }
  }

  private receiveBatch(frame: Extract<Frame, { type: "batch" | "fragment" }>, isBeside: boolean, now: number): void {
    const messages = this.inbox.take(frame, isBeside);
    this.timers.heartbeat.talked();
    this.timers.ackOwed(now, this.inbox.unackedBytes >= this.options.limits.windowBytes / 4);
    if (messages !== undefined) this.outputs.push({ type: "deliver", messages });
  }

  private receiveWelcome(link: LinkNumber, welcome: WelcomeFrame, now: number): void {
    if (this.options.side === "server") throw protocolError("a client said welcome");
    if (this.attached.welcomed) throw protocolError("welcome came twice");
    if (welcome.attach !== this.attachNumber) throw protocolError(`welcome to attach ${welcome.attach}`);
    if (welcome.version !== WIRE_VERSION) throw new DuowireError("version_unsupported");
    this.sending.acknowledge(welcome.received, now);
    this.attached.won();
    this.timers.welcomed(now, this.attached.sentAt ?? now, welcome, this.sending.hasUnacked);
    this.learn(welcome, now);
    this.outputs.push({ type: "welcomed", welcome, link });
    this.apply("attached");
  }

  private receiveClose(frame: CloseFrame): void {
    if (frame.last > this.inbox.received) throw protocolError("close overtook data");
    const code = isErrorCode(frame.code) ? frame.code : "closed";
    this.end("close_told", new DuowireError(code, frame.message, { side: "remote" }));
  }

  /** What the far side stated with its attach or welcome. */
  private learn(stated: Pick<AttachFields, "limits" | "clockMs" | "ahead">, now: number): void {
    this.clock.statedAtAttach(stated.clockMs, now);
    this.sending.windowBytes = stated.limits.windowBytes;
    this.sending.isPaced = this.state !== "closing";
    this.outgoing.setLimits(stated.limits);
    this.outputs.push({ type: "limits", limits: stated.limits });
    if (stated.ahead !== undefined) this.outputs.push({ type: "ahead", messages: stated.ahead });
  }

  private standing(ahead: Uint8Array | undefined, now: number): Standing {
    const clockMs = this.clock.localMs(now);
    return { received: this.inbox.received, clockMs, limits: this.options.limits, ...(ahead && { ahead }) };
  }

  private replay(now: number, firstBytes?: number): void {
    this.sending.begin(now, firstBytes);
    if (this.state !== "closing") return;
    // What was queued before the close, while there was no link, still leaves as far as it fits; but CLOSE is the last.
    if (!this.closeTold) this.sending.makeBatches(now);
    this.tellClose();
  }

  /** Batches may be made: a link takes them, and the session is not about to end. */
  private canSend(): boolean {
    return this.attached.isWritable && this.state !== "closing" && this.state !== "closed";
  }

  private pathUse(): PathUse {
    const { link, welcomed, isWritable } = this.attached;
    const waits = link !== undefined && (this.sending.hasUnacked || !welcomed || this.timers.pingIsOut);
    return { waits, writable: isWritable, drainMs: this.sending.drainMs };
  }

  /** Whether what comes over `link` says that the path works: while an attach is on its way, any link may say so. */
  private isOfPath(link: LinkNumber): boolean {
    return link === this.attached.link || !this.attached.welcomed;
  }

  private tellSuspicion(): void {
    if (this.timers.suspicionChanged()) this.outputs.push({ type: "suspect", isSuspect: this.timers.suspected });
  }

  /** The first reason stays: a session that is closing was closed by its owner, whatever comes then. */
  private end(input: SessionInput, reason: DuowireError): void {
    this.reason ??= reason;
    this.apply(input);
  }

  /** The only place where the state changes. */
  private apply(input: SessionInput): void {
    const before = this.state;
    const { next, actions } = sessionTable[before][input];
    if (actions.includes("violation")) throw protocolError(`${input} in state ${before}`);
    if (actions.includes("confirm_close")) this.attached.queue(encodeFrame({ type: "closed" }));
    this.state = next;
    if (actions.includes("tell_close")) this.tellClose();
    if (actions.includes("settle")) this.settle();
    else if (next !== before) this.outputs.push({ type: "state", state: next });
  }

  /** Everything is over: what is pending leaves, the link is dropped, memory is given back. */
  private settle(): void {
    this.attached.finish(this.reason?.code ?? "closed");
    this.sending.clear();
    this.inbox.clear();
    this.outputs.push({ type: "state", state: "closed", ...(this.reason && { reason: this.reason }) });
  }

  private tellClose(): void {
    if (!this.attached.isWritable || this.reason === undefined) return;
    this.closeTold = true;
    this.attached.queue(closeFrame(this.reason, this.sending.sent));
  }
}
