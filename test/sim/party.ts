/** One half of a conversation as the checker knows it: what it sent, what it handed to links, what of it arrived. */
import type { DuowireError } from "../../src/base/errors.js";
import type { AnnouncedLimits } from "../../src/frame/limits.js";
import type { Session } from "../../src/session/session.js";
import type { Checker } from "./checker.js";
import type { End } from "./end.js";
import { demand, SimulationFailure } from "./failure.js";
import { type Message, type MessageClass, readMessage } from "./messages.js";
import type { Connection } from "./network.js";
import { codeOfClose, isOfCompanion, type WireFrame, wireFrames, wireTypes } from "./wire.js";
import type { Machine } from "./world.js";

/** The most octets of messages in one batch, and those beyond the window that urgent ones may use: spec/session.md. */
const BATCH_BYTES = 66_560;
const FRAME_OVERHEAD_BYTES = 36;
const RESERVE_BYTES = 16_384;
/** Clocks run differently fast, and a history is long. */
const CLOCK_SLACK_MS = 250;

/** Which states may follow which; spec/session.md says it with a diagram. */
const following: Readonly<Record<string, readonly string[]>> = {
  fresh: ["open", "closing", "closed"],
  // Twice open: a client keeps the moment between its first access and its first link to itself.
  open: ["open", "interrupted", "closing", "closed"],
  interrupted: ["open", "closing", "closed"],
  closing: ["closed"],
  closed: [],
};

/** How many messages of each class. */
export type Counts = Record<MessageClass, number>;

const none = (): Counts => ({ short: 0, long: 0, urgent: 0, ahead: 0 });

/** How a party sees its core, to compare the core's own figures with the truth. */
export interface CoreView {
  readonly unackedBytes: number;
  readonly queuedBytes: number;
  /** A link takes what is sent, and the session is not about to end. */
  readonly isHealthy: boolean;
}

/** What a core says of itself. */
export function viewOf({ state, isHealthy, figures, outgoing }: Session): CoreView {
  const { unackedBytes } = figures;
  return { unackedBytes, queuedBytes: outgoing.queuedBytes, isHealthy: isHealthy && state === "open" };
}

/** One half of a conversation. */
export class Party {
  /** How many messages of each class this party has sent, handed to links, and the other half has got. */
  readonly sentCount = none();
  readonly handedCount = none();
  readonly gotCount = none();
  /** Who got messages of this party: one other party, ever. */
  receiver: Party | undefined;
  /** The link over which this party attached last, or said WELCOME last. */
  currentLink: End | undefined;
  /** A client's link that was welcomed. */
  private welcomedLink: End | undefined;
  /** Where what is numbered counts besides: on former links, other attempts of an access, and the companion. */
  private readonly besideLinks = new Set<End>();
  state = "fresh";
  reason: DuowireError | undefined;
  /** When something of the other half came last, by this party's own clock. */
  lastHeardMs: number;
  /** Octets that this party may have on their way, as the other half announced. */
  windowBytes = Number.POSITIVE_INFINITY;
  core: () => CoreView | undefined = () => undefined;
  /** A client's links that have asked for the first access, until one of them is answered. */
  private asking: End[] = [];
  /** What had been handed to links when this party said CLOSE, and why it did. */
  saidClose: { readonly handed: Counts; readonly code: string } | undefined;
  /** The last frame by which this party attached, as anybody on the way could have recorded it. */
  lastAttach: { readonly octets: Uint8Array; readonly number: number; readonly connection: Connection } | undefined;
  private attaches = 0;
  private currentSince = 0;
  /** The attach from which on the other half's clock is known: over a former link, that of that link. */
  private statedSince = 0;
  private readonly startedMs: number;
  private readonly gotLong = new Set<number>();
  /** Long messages are cut in the order in which they were sent, and end in any. */
  private readonly handedLong = new Set<number>();
  /** Every batch that was handed to a link; where it ends, in octets since the beginning; what was handed with it. */
  private readonly frames: Uint8Array[] = [];
  private readonly frameEnds: number[] = [0];
  private readonly frameCounts: Counts[] = [none()];
  /** The last batch that came out of a link at the other end. */
  private arrivedSequence = 0;
  private lastAhead = 0;
  /** A server has welcomed an attach at the session's own address, and not only first accesses. */
  private wasAttached = false;

  constructor(
    private readonly checker: Checker,
    /** Names this party in its messages. */
    readonly number: number,
    readonly side: "client" | "server",
    /** Both halves have the same. */
    readonly conversation: number,
    readonly machine: Machine,
    private readonly queueBytesMax: number,
  ) {
    this.startedMs = this.lastHeardMs = machine.monotonicMs();
  }

  get name(): string {
    return `${this.side}#${this.number}`;
  }

  /** Whether everything that this party sent has been delivered, and it knows. */
  get isDelivered(): boolean {
    const { sentCount, gotCount } = this;
    const isAll = gotCount.short === sentCount.short && gotCount.long === sentCount.long;
    return isAll && gotCount.urgent === sentCount.urgent && this.core()?.unackedBytes === 0;
  }

  /** The next message of a class, as it will be if it is sent. */
  next(kind: MessageClass, length: number, role: Message["role"]): Message {
    return { class: kind, sender: this.number, number: this.sentCount[kind] + 1, role, length };
  }

  wantsAhead(): boolean {
    return this.checker.random.chance(0.3);
  }

  sent(message: Message): void {
    this.sentCount[message.class] = message.number;
    if (this.checker.isTraced) this.checker.note(this, `queues ${message.class} ${message.number}`);
    const queuedBytes = this.core()?.queuedBytes ?? 0;
    demand(queuedBytes <= this.queueBytesMax, "queue", () => `${this.name} queues more than queueBytesMax`);
  }

  toldLimits(limits: AnnouncedLimits): void {
    this.windowBytes = limits.windowBytes;
  }

  /** Whether an urgent message of so many octets has to leave in this turn: a link is there, and the reserve too. */
  mustLeave(bytes: number): boolean {
    const core = this.core();
    if (core?.isHealthy !== true) return false;
    return core.unackedBytes + bytes + FRAME_OVERHEAD_BYTES <= this.windowBytes + RESERVE_BYTES;
  }

  /** Messages of the other half came to this party's application. */
  delivered(messages: readonly Message[], peerClockMs: number): void {
    demand(this.reason === undefined, "after_end", () => `${this.name} got a message after its end`);
    const { link } = this.checker;
    if (link !== undefined && link !== this.currentLink && !this.besideLinks.has(link)) {
      throw new SimulationFailure(
        "loser",
        `${this.name} took a message over ${link.name}, and another link has attached`,
      );
    }
    for (const message of messages) {
      const sender = this.checker.senderOf(message, this);
      sender.got(message, this);
      this.checkClock(sender, peerClockMs);
    }
  }

  deliveredAhead(messages: readonly Message[]): void {
    for (const message of messages) {
      const sender = this.checker.senderOf(message, this);
      const known = message.class === "ahead" && message.number <= sender.sentCount.ahead;
      demand(known, "not_sent", () => `${this.name} got an ahead that nobody sent`);
      // Of two first accesses the older may arrive behind the younger: what it wants cancelled still is.
      demand(!this.wasAttached || message.number >= this.lastAhead, "order", () => `${this.name} got an older ahead`);
      this.lastAhead = message.number;
    }
  }

  stateIs(next: string): void {
    const legal = following[this.state]?.includes(next) ?? false;
    demand(legal, "states", () => `${this.name} goes from ${this.state} to ${next}`);
    this.checker.note(this, `is ${next}`);
    this.state = next;
  }

  ended(reason: DuowireError): void {
    demand(this.reason === undefined, "after_end", () => `${this.name} ended twice`);
    this.checker.note(this, `ends: ${reason.code} (${reason.side ?? "nobody"}) ${reason.message}`);
    if (reason.side === "remote") this.checker.checkClose(this, reason.code);
    this.reason = reason;
  }

  /** The core says of a message that it never left: then it must not have been seen on any link. */
  neverLeft(kind: "short" | "long", number: number): void {
    const hasLeft = kind === "long" ? this.handedLong.has(number) : number <= this.handedCount[kind];
    demand(!hasLeft, "not_sent", () => `${kind} ${number} of ${this.name} left, and is said not to have`);
  }

  /** This party hands a frame to a link. */
  hands(frame: WireFrame, end: End): void {
    const { type, sequence } = frame;
    if (type === wireTypes.ack) return this.checker.checkAcknowledged(this, sequence);
    if (sequence === 0) return this.handsControl(frame, end);
    const known = this.frames[sequence - 1];
    if (known !== undefined) {
      const isSame = Buffer.compare(known, frame.octets) === 0;
      return demand(isSame, "replay", () => `${this.name} says batch ${sequence} again and differently`);
    }
    const isNext = sequence === this.frames.length + 1;
    demand(isNext, "gap", () => `${this.name} says batch ${sequence} after ${this.frames.length}`);
    this.countHanded(frame);
    this.frames.push(frame.octets);
    this.frameEnds.push((this.frameEnds.at(-1) as number) + frame.octets.length);
    this.frameCounts.push({ ...this.handedCount });
    this.checkWindow();
  }

  /** A batch of this party came out of a link, whether that link counted or not. */
  arrives(sequence: number): void {
    if (sequence > this.arrivedSequence && sequence <= this.frames.length) this.arrivedSequence = sequence;
  }

  /**
   * Something comes over `end`. Of the first accesses under way, the one that is welcomed first is the link from then
   * on, and the others are heard beside it.
   */
  hears({ type }: WireFrame, end: End): void {
    if (type !== wireTypes.welcome || end.isClosing) return;
    if (this.asking.includes(end)) this.currentLink = end;
    else if (end !== this.currentLink) return;
    this.besideLinks.clear();
    for (const other of this.asking) if (other !== end) this.besideLinks.add(other);
    this.asking = [];
    this.welcomedLink = end;
    this.statedSince = this.currentSince;
  }

  /** Whether what comes over `end` is a sign of life: a refusal may be a proxy's. */
  isAliveBy(octets: Uint8Array, end: End): boolean {
    if (end.isClosing || octets[0] === wireTypes.refused) return false;
    if (end === this.currentLink) return true;
    const heard: readonly number[] = [wireTypes.batch, wireTypes.fragment, wireTypes.ack, wireTypes.pong];
    return this.besideLinks.has(end) && [...wireFrames(octets)].some(({ type }) => heard.includes(type));
  }

  /** The other half acknowledges: then it must have got all that came with these batches. */
  acknowledged(sequence: number): void {
    const counts = this.frameCounts[sequence];
    const isTrue =
      counts !== undefined && (["short", "urgent"] as const).every((kind) => this.gotCount[kind] >= counts[kind]);
    demand(isTrue, "ack", () => `batch ${sequence} of ${this.name} is acknowledged before it was delivered`);
  }

  /** A message of this party was delivered to `receiver`. */
  private got(message: Message, receiver: Party): void {
    const { class: kind, number, length } = message;
    const what = () => `${kind} ${number} of ${this.name} at ${receiver.name}`;
    this.receiver ??= receiver;
    demand(this.receiver === receiver, "twice", () => `${what()}, and ${this.receiver?.name} got messages before`);
    demand(number <= this.sentCount[kind] && kind !== "ahead", "not_sent", what);
    const hasLeft = kind === "long" ? this.handedLong.has(number) : number <= this.handedCount[kind];
    demand(hasLeft, "not_sent", () => `${what()} was never handed to a link`);
    if (kind === "long") {
      demand(!this.gotLong.has(number), "twice", what);
      this.gotLong.add(number);
    } else {
      demand(number > this.gotCount[kind], "twice", what);
      demand(number === this.gotCount[kind] + 1, "order", () => `${what()} follows ${this.gotCount[kind]}`);
    }
    this.gotCount[kind] += 1;
    this.checker.deliveries += 1;
    if (this.checker.isTraced) this.checker.note(receiver, `got ${kind} ${number} of ${this.name}, ${length} octets`);
  }

  private handsControl({ type, octets }: WireFrame, end: End): void {
    const isAttach = type === wireTypes.attach;
    if (type === wireTypes.close) this.saidClose = { handed: { ...this.handedCount }, code: codeOfClose(octets) };
    if (type === wireTypes.welcome) this.checker.checkWelcomed(end);
    if (type === wireTypes.welcome && !end.connection.isFirstAccess) this.wasAttached = true;
    if (type !== wireTypes.welcome && type !== wireTypes.access && !isAttach) return;
    if (isAttach && isOfCompanion(octets)) end.connection.isCompanion = true;
    if (end.connection.isCompanion) return this.accompanied(end, type);
    if (type === wireTypes.access) this.asks(end);
    else this.asking = [];
    if (type === wireTypes.welcome) this.besideLinks.clear();
    if (isAttach && this.currentLink !== undefined && this.currentLink === this.welcomedLink)
      this.besideLinks.add(this.currentLink);
    this.currentLink = end;
    this.currentSince = this.machine.world.now;
    if (this.besideLinks.size === 0) this.statedSince = this.currentSince;
    if (type !== wireTypes.welcome) this.attaches += 1;
    if (isAttach) this.lastAttach = { octets, number: this.attaches, connection: end.connection };
  }

  /** A companion asks, or is let in. */
  private accompanied(end: End, type: number): void {
    this.besideLinks.add(end);
    this.checker.companion(type === wireTypes.welcome ? "is let in" : "asks");
  }

  /** A first access may be repeated before it is answered (D12), and on a long way two more follow the first. */
  private asks(end: End): void {
    this.asking = [...this.asking.filter((one) => !one.isClosing && !one.isDead), end];
    demand(
      this.asking.length <= 3,
      "attempts",
      () => `${this.name} has ${this.asking.length} first accesses under way`,
    );
  }

  private countHanded({ type, message, left, messages }: WireFrame): void {
    if (type === wireTypes.fragment) {
      if (left === 0) this.handedLong.add(message);
      this.handedCount.long = this.handedLong.size;
      return;
    }
    for (let offset = 0; offset < messages.length; ) {
      const { class: kind, number, length } = readMessage(messages, offset);
      this.handedCount[kind] = number;
      offset += length;
    }
  }

  /** What is on its way and has not arrived is a part of what is not acknowledged, so the window bounds it too. */
  private checkWindow(): void {
    const onWay = (this.frameEnds.at(-1) as number) - (this.frameEnds[this.arrivedSequence] as number);
    const most = this.windowBytes + RESERVE_BYTES + FRAME_OVERHEAD_BYTES;
    demand(onWay <= most, "window", () => `${this.name} has ${onWay} octets on their way, above ${most}`);
    const unackedBytes = this.core()?.unackedBytes ?? onWay;
    const kept = unackedBytes >= onWay && unackedBytes <= most + BATCH_BYTES;
    demand(kept, "window", () => `${this.name} keeps ${unackedBytes} octets for replay, and ${onWay} are on their way`);
  }

  /** What a party is told of the other's clock is never ahead, unless that clock stood still since it was stated. */
  private checkClock(sender: Party, toldMs: number): void {
    if (sender.machine.stoodAt >= this.statedSince) return;
    const truthMs = sender.machine.monotonicMs() - sender.startedMs;
    const isFair = toldMs >= 0 && toldMs <= truthMs + CLOCK_SLACK_MS;
    demand(
      isFair,
      "clock",
      () => `${this.name} is told ${toldMs} for the clock of ${sender.name}, which is ${truthMs}`,
    );
  }
}
