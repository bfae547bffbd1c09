/** What a conversation is about in the simulator: numbered messages, some of which ask for an answer. */
import { DuowireError } from "../../src/base/errors.js";
import type { Application } from "../../src/driver/driver.js";
import type { AnnouncedLimits } from "../../src/frame/limits.js";
import type { Outgoing } from "../../src/session/outgoing.js";
import type { End } from "./end.js";
import { demand } from "./failure.js";
import { decodeMessages, encodeMessage, MESSAGE_HEAD_BYTES } from "./messages.js";
import type { Party } from "./party.js";

/** Longer than a turn. */
const URGENT_MS_MAX = 1;

/** One half of a conversation. */
export class SimApplication implements Application {
  /** Answers that are owed to this side. */
  private awaited = 0;
  private waitingUrgent: Uint8Array[] = [];
  isOver = false;
  /** What the core gave for each message that it took. */
  private readonly marks: Record<"short" | "long", number[]> = { short: [], long: [] };

  constructor(
    readonly party: Party,
    private readonly outgoing: Outgoing,
    private readonly wake: () => void,
  ) {}

  get isBusy(): boolean {
    return this.awaited > 0;
  }

  /** A message longer than a batch must not be sent before. */
  get knowsLimits(): boolean {
    return Number.isFinite(this.party.windowBytes);
  }

  /** Queues a message of `length` octets; one that the queue refuses was never sent. */
  send(kind: "short" | "long", length: number, role: "plain" | "question" | "answer" = "plain"): boolean {
    if (this.isOver) return false;
    const message = this.party.next(kind, Math.max(length, MESSAGE_HEAD_BYTES), role);
    this.outgoing.begin().octets(encodeMessage(message));
    try {
      this.marks[kind].push(this.outgoing.commit(true));
    } catch (error) {
      if (!(error instanceof DuowireError) || error.code !== "queue_full") throw error;
      return false;
    }
    this.party.sent(message);
    if (role === "question") this.awaited += 1;
    this.wake();
    return true;
  }

  /** Queues an urgent message. */
  sendUrgent(length: number): void {
    if (this.isOver) return;
    const message = this.party.next("urgent", Math.max(length, MESSAGE_HEAD_BYTES), "plain");
    const octets = encodeMessage(message);
    this.waitingUrgent.push(octets);
    this.party.sent(message);
    this.wake();
    if (!this.party.mustLeave(message.length)) return;
    const { currentLink, machine } = this.party;
    machine.arrive(() => this.checkUrgent(octets, currentLink), URGENT_MS_MAX);
  }

  receive(octets: Uint8Array, peerClockMs: number): void {
    const messages = decodeMessages(octets);
    this.party.delivered(messages, peerClockMs);
    for (const { role } of messages) {
      if (role === "question") this.send("short", 30, "answer");
      else if (role === "answer") this.awaited -= 1;
    }
  }

  receiveAhead(octets: Uint8Array): void {
    this.party.deliveredAhead(decodeMessages(octets));
  }

  setLimits(limits: AnnouncedLimits): void {
    this.party.toldLimits(limits);
  }

  urgent(bytesMax: number): Uint8Array | undefined {
    return this.take((length) => length <= bytesMax);
  }

  ahead(bytesMax: number): Uint8Array | undefined {
    if (!this.party.wantsAhead() || bytesMax < MESSAGE_HEAD_BYTES) return undefined;
    const message = this.party.next("ahead", MESSAGE_HEAD_BYTES, "plain");
    this.party.sent(message);
    return encodeMessage(message);
  }

  end(reason: DuowireError): void {
    this.isOver = true;
    for (const kind of ["short", "long"] as const) {
      this.marks[kind].forEach((mark, i) => {
        if (!this.outgoing.isHanded(mark)) this.party.neverLeft(kind, i + 1);
      });
    }
    this.party.ended(reason);
  }

  /** Urgent messages leave at the end of the turn in which they are queued, although the window may be full (D9). */
  private checkUrgent(octets: Uint8Array, link: End | undefined): void {
    const { party } = this;
    const waits = this.waitingUrgent[0] === octets && party.currentLink === link;
    const mustHaveLeft = waits && party.mustLeave(octets.length);
    demand(!mustHaveLeft, "urgent", () => `an urgent message of ${party.name} waits`);
  }

  /** As many urgent messages as fit together; undefined when not even the first does. */
  private take(fits: (length: number) => boolean): Uint8Array | undefined {
    let [count, length] = [0, 0];
    for (const octets of this.waitingUrgent) {
      if (!fits(length + octets.length)) break;
      length += octets.length;
      count += 1;
    }
    return count === 0 ? undefined : new Uint8Array(Buffer.concat(this.waitingUrgent.splice(0, count)));
  }
}
