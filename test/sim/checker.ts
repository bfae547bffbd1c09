/**
 * What must be true, judged from what was sent, what passed the network and what was delivered. It shares no code with
 * the core: a mistake there cannot be repeated here.
 */
import type { DuowireError } from "../../src/base/errors.js";
import type { AnnouncedLimits } from "../../src/frame/limits.js";
import { demand, SimulationFailure } from "./failure.js";
import { MESSAGE_HEAD_BYTES, type Message, type MessageClass, readMessage } from "./messages.js";
import type { End, Watcher } from "./network.js";
import { type WireFrame, wireFrames, wireTypes } from "./wire.js";
import type { Machine } from "./world.js";

/** The most octets of messages in one batch, and the octets beyond the window that urgent ones may use: spec/session.md. */
const BATCH_BYTES = 66_560;
const FRAME_OVERHEAD_BYTES = 36;
const RESERVE_BYTES = 16_384;

/** Which states may follow which; spec/session.md says it with a diagram. */
const following: Readonly<Record<string, readonly string[]>> = {
  fresh: ["open", "closing", "closed"],
  open: ["interrupted", "closing", "closed"],
  interrupted: ["open", "closing", "closed"],
  closing: ["closed"],
  closed: [],
};

/** How a party sees its core, to compare the core's own figures with the truth. */
export interface CoreView {
  readonly state: string;
  readonly unackedBytes: number;
  readonly queuedBytes: number;
}

/** One half of a conversation, and all that is known of it. */
export class Party {
  /** How many messages of each class this party has sent. */
  readonly sentCount: Record<MessageClass, number> = { short: 0, long: 0, urgent: 0, ahead: 0 };
  /** How many of them the other half got; of the long ones, which. */
  readonly gotCount: Record<MessageClass, number> = { short: 0, long: 0, urgent: 0, ahead: 0 };
  refusedCount = 0;
  /** Who got messages of this party: one other party, ever. */
  receiver: Party | undefined;
  /** The link over which this party attached last, or said WELCOME last. */
  currentLink: End | undefined;
  state = "fresh";
  reason: DuowireError | undefined;
  endedAt: number | undefined;
  /** When something of the other half came last, by this party's own clock. */
  lastHeardMs: number;
  /** Octets that this party may have on their way, as the other half announced. */
  windowBytes = Number.POSITIVE_INFINITY;
  core: () => CoreView | undefined = () => undefined;
  /** The other half said CLOSE, and then this party had been handed so many messages. */
  handedAtClose: Record<MessageClass, number> | undefined;
  /** How many messages of each class were handed to a link. */
  readonly handedCount: Record<MessageClass, number> = { short: 0, long: 0, urgent: 0, ahead: 0 };
  private readonly gotLong = new Set<number>();
  /** Every batch that was handed to a link, and where it ends, counted in octets since the beginning. */
  private readonly frames: Uint8Array[] = [];
  private readonly frameEnds: number[] = [0];
  /** The last batch that reached the other half over a link that counted. */
  private arrivedSequence = 0;
  private lastAhead = 0;
  private cutLong = 0;

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
    this.lastHeardMs = machine.monotonicMs();
  }

  get name(): string {
    return `${this.side}#${this.number}`;
  }

  /** Whether everything that this party sent has been delivered. */
  get isDelivered(): boolean {
    const { sentCount, gotCount } = this;
    return gotCount.short === sentCount.short && gotCount.long === sentCount.long && gotCount.urgent === sentCount.urgent;
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
    this.checker.note(this, `queues ${message.class} ${message.number}`);
    demand((this.core()?.queuedBytes ?? 0) <= this.queueBytesMax, "queue", () => `${this.name} queues more than queueBytesMax`);
  }

  refused(): void {
    this.refusedCount += 1;
  }

  toldLimits(limits: AnnouncedLimits): void {
    this.windowBytes = limits.windowBytes;
  }

  /** Messages of the other half came to this party's application. */
  delivered(messages: readonly Message[], peerClockMs: number): void {
    demand(this.reason === undefined, "after_end", () => `${this.name} got a message after its end`);
    for (const message of messages) this.checker.senderOf(message, this).got(message, this);
    demand(peerClockMs >= 0, "clock", () => `${this.name} was told the clock ${peerClockMs}`);
    const { link } = this.checker;
    if (link !== undefined && link !== this.currentLink) {
      throw new SimulationFailure("loser", `${this.name} took a message over ${link.name}, and another link has attached`);
    }
  }

  deliveredAhead(messages: readonly Message[]): void {
    for (const message of messages) {
      const sender = this.checker.senderOf(message, this);
      const known = message.class === "ahead" && message.number <= sender.sentCount.ahead;
      demand(known, "not_sent", () => `${this.name} got an ahead that nobody sent`);
      demand(message.number >= this.lastAhead, "order", () => `${this.name} got an older ahead`);
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
    this.reason = reason;
    this.endedAt = this.machine.world.now;
    this.checker.note(this, `ends: ${reason.code} (${reason.side ?? "nobody"}) ${reason.message}`);
  }

  /** A message of this party was delivered to `receiver`. */
  private got(message: Message, receiver: Party): void {
    const { class: kind, number, length } = message;
    const what = () => `${kind} ${number} of ${this.name} at ${receiver.name}`;
    this.receiver ??= receiver;
    demand(this.receiver === receiver, "twice", () => `${what()}, and ${this.receiver?.name} got messages before`);
    demand(number <= this.sentCount[kind] && kind !== "ahead", "not_sent", what);
    demand(number <= this.handedCount[kind], "not_sent", () => `${what()} was never handed to a link`);
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

  /** This party hands a frame to a link. */
  hands(frame: WireFrame, end: End): void {
    const { type } = frame;
    if (type === wireTypes.welcome || type === wireTypes.access || type === wireTypes.attach) this.currentLink = end;
    if (type === wireTypes.close) this.handedAtClose = { ...this.handedCount };
    if (frame.sequence === 0) return;
    const known = this.frames[frame.sequence - 1];
    if (known !== undefined) {
      const isSame = Buffer.compare(known, frame.octets) === 0;
      return demand(isSame, "replay", () => `${this.name} says batch ${frame.sequence} again and differently`);
    }
    const isNext = frame.sequence === this.frames.length + 1;
    demand(isNext, "gap", () => `${this.name} says batch ${frame.sequence} after ${this.frames.length}`);
    this.frames.push(frame.octets);
    this.frameEnds.push((this.frameEnds.at(-1) as number) + frame.octets.length);
    this.countHanded(frame);
    this.checkWindow();
  }

  /** A batch of this party came out of a link, whether that link counted or not. */
  arrives(sequence: number): void {
    if (sequence > this.arrivedSequence && sequence <= this.frames.length) this.arrivedSequence = sequence;
  }

  private countHanded(frame: WireFrame): void {
    if (frame.type === wireTypes.fragment) {
      if (frame.left === 0) this.cutLong += 1;
      const begins = frame.messages.length >= MESSAGE_HEAD_BYTES && this.handedCount.long < this.sentCount.long;
      if (begins) this.handedCount.long = this.sentCount.long;
      return;
    }
    for (let offset = 0; offset < frame.messages.length; ) {
      const message = readMessage(frame.messages, offset);
      this.handedCount[message.class] = message.number;
      offset += message.length;
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
}

/** Knows every party and sees every octet. */
export class Checker implements Watcher {
  readonly parties: Party[] = [];
  deliveries = 0;
  /** The link whose octets are being received right now. */
  link: End | undefined;

  constructor(
    readonly random: { chance(probability: number): boolean },
    readonly isTraced: boolean,
    private readonly partyOf: (end: End) => Party | undefined,
    private readonly print: (who: string, what: string) => void,
  ) {}

  party(side: Party["side"], conversation: number, machine: Machine, queueBytesMax: number): Party {
    const party = new Party(this, this.parties.length + 1, side, conversation, machine, queueBytesMax);
    this.parties.push(party);
    return party;
  }

  note(party: Party, what: string): void {
    if (this.isTraced) this.print(party.name, what);
  }

  /** Who sent a message that `receiver` got: the other half of its conversation, or something is wrong. */
  senderOf(message: Message, receiver: Party): Party {
    const sender = this.parties[message.sender - 1];
    if (sender === undefined || sender.conversation !== receiver.conversation || sender.side === receiver.side) {
      throw new SimulationFailure("not_sent", `${receiver.name} got a message of ${sender?.name ?? message.sender}`);
    }
    return sender;
  }

  sent(end: End, octets: Uint8Array): void {
    const party = this.partyOf(end);
    if (party === undefined) return;
    for (const frame of wireFrames(octets)) party.hands(frame, end);
  }

  received(end: End, octets: Uint8Array, run: () => void): void {
    const party = this.partyOf(end);
    if (party !== undefined) {
      if (end === party.currentLink) party.lastHeardMs = party.machine.monotonicMs();
      const other = this.otherOf(party);
      if (other !== undefined) for (const { sequence } of wireFrames(octets)) other.arrives(sequence);
    }
    const before = this.link;
    this.link = end;
    try {
      run();
    } finally {
      this.link = before;
    }
  }

  private otherOf(party: Party): Party | undefined {
    return this.parties.findLast((one) => one.conversation === party.conversation && one.side !== party.side);
  }
}
