/**
 * The door of one communication process (source: S4 to S6): it waits for its client at its own address, lets in who
 * proves to be the client, and keeps the conversation that goes on over whatever link comes next.
 *
 * It is the same wherever the process runs. What the conversation is about (calls) is handed in as an application.
 */
import type { Access, AccessProof, ProcessState } from "../access/communication-process.js";
import type { Secrets } from "../access/secrets.js";
import type { CancelTimer, Clock } from "../base/clock.js";
import { DuowireError, type ErrorCode, protocolError } from "../base/errors.js";
import { MalformedOctets, sameOctets } from "../base/octets.js";
import { type Application, Driver } from "../driver/driver.js";
import type { AttachFrame } from "../frame/control.js";
import { decodeFrames, encodeFrame, type Frame, frameLengthAt } from "../frame/frame.js";
import { type AnnouncedLimits, WIRE_VERSION } from "../frame/limits.js";
import type { Link, LinkEnd, LinkEvents } from "../frame/link.js";
import type { Outgoing } from "../session/outgoing.js";
import type { LinkNumber } from "../session/outputs.js";

/**
 * Links of one process whose far end has not proved itself: so many, for so long (D27). Two attempts of one client, and
 * two that it has given up and whose end is not known here: that of a link of requests is known by its silence alone.
 */
export const UNPROVEN_LINKS_MAX = 4;
/** How long such a link may take to prove itself. */
export const UNPROVEN_MS = 5_000;
/** PINGs that a link may send before it attaches: a probe, and some more. */
const PROBES_MAX = 8;

/** What every process of one server has in common. */
export interface ProcessSettings {
  readonly clock: Clock;
  readonly secrets: Secrets;
  readonly limits: AnnouncedLimits;
  readonly queueBytesMax: number;
  readonly leaseMs: number;
  /** Which kinds of link the server offers, the best first. */
  readonly links: readonly string[];
}

/** What a reception is made with. */
export interface ReceptionOptions extends ProcessSettings {
  readonly access: Access;
  /** Makes what a conversation is about; a second time only when another client with the key takes over. */
  readonly application: (outgoing: Outgoing, wake: () => void) => Application;
  readonly events: ReceptionEvents;
}

/** Whom a reception tells. */
export interface ReceptionEvents {
  /** The state has changed. */
  state(state: ProcessState): void;
  /** The process's conversation is over, for good. */
  ended(reason: DuowireError): void;
  /** A turn of the conversation has ended. */
  turnEnded(): void;
  /** A bug of ours was caught. */
  bug(error: unknown): void;
}

/** How many attaches an admission token outlives: those of which the client may never have seen the answer. */
export const ADMISSIONS_KEPT = 16;
/** How many clients that were superseded are remembered, so that they are told when they come late. */
const SUPERSEDED_KEPT = 16;
/** How long a server waits for CLOSED. */
const CLOSE_MS = 1_000;

/** One conversation, and the links on their way into it. */
export class Reception {
  private driver: Driver;
  private readonly unproven = new Set<Arrival>();
  /** An attach at the process's own address has been accepted, not only the first access. */
  private wasAttached = false;
  /** Whose the conversation is, and whose it was: those never come back (D11). */
  private incarnation: Uint8Array | undefined;
  private readonly superseded: Uint8Array[] = [];
  private newestAttach = 0;
  private reason: DuowireError | undefined;
  /** The HTTP answer that was taken last. */
  private arrived: Arrival | undefined;
  /** The end that the client has been warned of, and when it comes at the latest. */
  private goingAway: { readonly reason: DuowireError; readonly endsAt: number } | undefined;

  constructor(private readonly options: ReceptionOptions) {
    this.driver = this.converse();
  }

  /** `waiting` until the client came to this address for the first time. */
  get state(): ProcessState {
    const { state } = this.driver.session;
    if (state === "closed" || state === "closing") return state;
    return this.wasAttached && state !== "fresh" ? state : "waiting";
  }

  /** The attach number that the newest admission token was made for. */
  get lastAttach(): number {
    return this.newestAttach;
  }

  /** The link that is attached now. */
  get link(): Link | undefined {
    return this.driver.link;
  }

  /** The conversation with the present client. */
  get conversation(): Driver {
    return this.driver;
  }

  /** Takes a link; see CommunicationProcess.accept. */
  accept(link: Link, proof?: AccessProof): void {
    // The oldest makes room: what a client has given up must not keep out what it tries next.
    const [oldest] = this.unproven;
    if (proof === undefined && oldest !== undefined && this.unproven.size >= UNPROVEN_LINKS_MAX) oldest.giveUp();
    const arrival: Arrival = new Arrival(link, this.options.clock, {
      decide: (attach) => this.decide(arrival, attach),
      left: () => this.unproven.delete(arrival),
    });
    this.unproven.add(arrival);
    arrival.start(proof);
  }

  /** The newest admission token and a few before it are valid (D27): answers that carried newer ones may be lost. */
  admits(admission: string): boolean {
    if (this.state === "closed") return false;
    const number = this.options.secrets.admissionNumber(this.options.access.id, admission);
    return number !== undefined && number >= this.lastAttach - ADMISSIONS_KEPT && number <= this.lastAttach;
  }

  /**
   * Nothing that the client asked for runs: an HTTP answer that carries the session ends, once what came with its
   * request has been dealt with. Its connection is of more use for the client's next request (D4).
   */
  endAnswer(): void {
    const { arrived } = this;
    if (arrived?.hasSpoken && arrived.link === this.link) arrived.link.close("its calls are settled");
  }

  /** Warns the client, now and on each later link, that the conversation will be ended. */
  goAway(reason: DuowireError, withinMs: number): void {
    this.goingAway = { reason, endsAt: this.options.clock.monotonicMs() + withinMs };
    this.sayGoAway();
  }

  /** Ends the conversation in good order: the client is told. */
  end(reason: DuowireError): void {
    // Where no client was heard of yet, nobody can be told, and nobody will confirm.
    if (this.driver.session.state === "fresh") this.driver.fail(reason);
    else this.driver.close(reason);
  }

  /** Checks an attach; returns the driver and number that the link's frames go to from now on, or refuses it. */
  private decide(
    arrival: Arrival,
    attach: AttachFrame | AccessProof,
  ): { driver: Driver; number: LinkNumber } | undefined {
    const refusal = this.refusalOf(attach);
    if (refusal !== undefined) {
      refuseLink(arrival.link, refusal.code, refusal.message);
      return undefined;
    }
    let number = this.driver.adopt(arrival.link);
    const extras = this.welcomeOf(attach);
    if (this.driver.receiveAttach(number, attach, extras) === "supersede") {
      this.supersede();
      number = this.driver.adopt(arrival.link);
      this.driver.receiveAttach(number, attach, extras);
    }
    if (this.driver.session.attachedLink === number) {
      this.incarnation = attach.incarnation;
      this.newestAttach = attach.attach;
      if (attach.type === "attach") this.wasAttached = true;
      // On a long way the client does not wait for the answer's end, and the answer is of use until its next request.
      const isLong = attach.type === "access" && attach.roundTripMs !== undefined;
      this.arrived = arrival.link.kind === "access" && !isLong ? arrival : undefined;
      this.sayGoAway();
    }
    this.options.events.state(this.state);
    return { driver: this.driver, number };
  }

  private sayGoAway(): void {
    if (this.goingAway === undefined) return;
    const { reason, endsAt } = this.goingAway;
    const endsInMs = Math.max(0, Math.ceil(endsAt - this.options.clock.monotonicMs()));
    this.driver.link?.send(encodeFrame({ type: "goaway", code: reason.code, message: reason.message, endsInMs }));
  }

  private refusalOf(attach: AttachFrame | AccessProof): DuowireError | undefined {
    const { access, secrets } = this.options;
    if (attach.type === "attach" && !secrets.keyFits(access.id, attach.key)) return new DuowireError("session_unknown");
    if (this.state === "closed") return new DuowireError("session_ended", this.reason?.message);
    if (this.superseded.some((one) => sameOctets(one, attach.incarnation))) return new DuowireError("superseded");
    if (attach.version !== WIRE_VERSION) {
      const message = `this server speaks version ${WIRE_VERSION} of the wire, and the client ${attach.version}`;
      return new DuowireError("version_unsupported", message);
    }
    // Judged here, not by the conversation: that of the owner would be over by then.
    if (attach.received !== 0 && !this.isOwner(attach)) {
      return protocolError("a client that is new here states what it has received");
    }
    return undefined;
  }

  /** Whose conversation it is. */
  private isOwner({ incarnation }: AttachFrame | AccessProof): boolean {
    return this.incarnation !== undefined && sameOctets(this.incarnation, incarnation);
  }

  private welcomeOf(attach: AttachFrame | AccessProof) {
    const { access, secrets, links } = this.options;
    const admission = secrets.admission(access.id, attach.attach);
    if (attach.type === "attach") return { admission };
    const { heldMs } = attach;
    return { admission, id: access.id, key: access.key, links, ...(heldMs !== undefined && { heldMs }) };
  }

  /** Another client with the key: the first one's conversation ends, a new one begins (D11). */
  private supersede(): void {
    const before = this.driver;
    if (this.incarnation !== undefined) this.superseded.push(this.incarnation);
    if (this.superseded.length > SUPERSEDED_KEPT) this.superseded.shift();
    this.driver = this.converse();
    before.fail(new DuowireError("superseded", undefined, { side: "local" }));
  }

  private converse(): Driver {
    const { clock, limits, queueBytesMax, leaseMs, application, events } = this.options;
    const driver: Driver = new Driver({
      side: "server",
      clock,
      limits,
      queueBytesMax,
      leaseMs,
      freshMs: Number.POSITIVE_INFINITY,
      closeMs: CLOSE_MS,
      application,
      events: {
        state: (state, reason) => {
          if (driver !== this.driver) return;
          if (state !== "closed") return events.state(this.state);
          this.reason = reason ?? new DuowireError("closed");
          for (const arrival of this.unproven) arrival.link.close("the session has ended");
          events.state("closed");
          events.ended(this.reason);
        },
        turnEnded: () => driver === this.driver && events.turnEnded(),
        bug: (error) => events.bug(error),
      },
    });
    return driver;
  }
}

/** What an arrival needs of its reception. */
interface ArrivalOwner {
  decide(attach: AttachFrame | AccessProof): { driver: Driver; number: LinkNumber } | undefined;
  /** It is no longer one that has to prove itself. */
  left(): void;
}

/** A link from its acceptance on: first it has to prove itself, then its frames go to the conversation. */
class Arrival implements LinkEvents {
  private taken: { driver: Driver; number: LinkNumber } | undefined;
  /** Frames came after the attach. */
  hasSpoken = false;
  private probes = 0;
  private isOver = false;
  private cancelTimer: CancelTimer | undefined;

  constructor(
    readonly link: Link,
    private readonly clock: Clock,
    private readonly owner: ArrivalOwner,
  ) {}

  start(proof: AccessProof | undefined): void {
    this.link.listen(this);
    if (proof !== undefined) this.take(proof);
    else this.cancelTimer = this.clock.after(UNPROVEN_MS, () => this.giveUp());
  }

  opened(): void {}

  receive(octets: Uint8Array): void {
    if (this.taken !== undefined) {
      this.hasSpoken = true;
      return this.taken.driver.receive(this.taken.number, octets);
    }
    if (!this.isOver) this.prove(octets);
  }

  closed(_reason: string, _end: LinkEnd): void {
    this.leave();
    this.taken?.driver.linkClosed(this.taken.number);
    this.isOver = true;
  }

  /** Frames before the attach: probes, which are answered, and then the attach itself. */
  private prove(octets: Uint8Array): void {
    try {
      let offset = 0;
      while (offset < octets.length && this.taken === undefined && !this.isOver) {
        const length = frameLengthAt(octets, offset) ?? octets.length;
        decodeFrames(octets.subarray(offset, offset + length), (frame) => this.proveFrame(frame));
        offset += length;
      }
      if (this.taken !== undefined && offset < octets.length) this.receive(octets.subarray(offset));
    } catch (error) {
      if (!(error instanceof MalformedOctets)) throw error;
      this.refuse(error.message);
    }
  }

  private proveFrame(frame: Frame): void {
    if (frame.type === "attach") return this.take(frame);
    this.probes += 1;
    if (frame.type !== "ping" || this.probes > PROBES_MAX) return this.refuse(`${frame.type} before the attach`);
    this.link.send(encodeFrame({ type: "pong", octets: frame.octets }));
  }

  private take(attach: AttachFrame | AccessProof): void {
    this.leave();
    this.taken = this.owner.decide(attach);
    this.isOver = this.taken === undefined;
  }

  /** Ends the link without a word: its far end did nothing wrong, and its attach may be on the way. */
  giveUp(): void {
    this.isOver = true;
    this.leave();
    this.link.close("no attach came in time");
  }

  private refuse(message: string): void {
    this.isOver = true;
    this.leave();
    refuseLink(this.link, "bad_request", message);
  }

  private leave(): void {
    this.cancelTimer?.();
    this.owner.left();
  }
}

/** Answers a link that does not get in, and ends it. */
export function refuseLink(link: Link, code: ErrorCode, message: string): void {
  link.send(encodeFrame({ type: "refused", code, message }));
  link.close(message);
}
