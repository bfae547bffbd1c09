/**
 * The one link that is attached to a session, or is being attached, the links that are heard beside it, and the frames
 * that wait for the end of the turn.
 */
import { encodeFrame, type Frame, frameTypes } from "../frame/frame.js";
import type { LinkNumber, SessionOutput } from "./outputs.js";

type FrameTypes = ReadonlySet<Frame["type"]>;

/** What is heard on a link beside the attached one: it is numbered, or a mere sign of life. */
const BESIDE: FrameTypes = new Set(["batch", "fragment", "ack", "pong"]);
/** And in an answer to a first access: over the one that came last the server may say its last. */
const IN_ANSWER: FrameTypes = new Set([...BESIDE, "close", "goaway"]);
/** Links that are heard, or first accesses that wait for their answer, beside the newest: the oldest makes room. */
const BESIDE_MAX = 3;
/** What leaves in one turn is copied to the companion when it is this short: one packet, as a rule. */
const COPY_BYTES_MAX = 1_200;

/**
 * At most one link at a time: another one replaces it, and whatever comes from the old one is ignored (D11). Beside it
 * are heard, as far as it cannot count twice,
 * - the former link of a client that changes from a path that works to a better one, until that is answered: what is on
 *   its way over the old one would be a round trip late otherwise;
 * - the other attempts of a first access, once one is answered: the server speaks over the one that came last;
 * - the companion, a second link that carries a copy of whatever is short, both ways.
 */
export class Attachment {
  link: LinkNumber | undefined;
  /** Client: when the attach on this link was sent. */
  sentAt: number | undefined;
  /** The attach on this link has been accepted: by the server here, or by the server's answer there. */
  welcomed = false;
  /** The link takes nothing more: a first access whose request body has ended. */
  ended = false;
  private pending: Uint8Array[] = [];
  /** Earlier attempts of the same first access that are not answered either, the oldest first, and when they left. */
  private readonly asked = new Map<LinkNumber, number | undefined>();
  private readonly heard = new Map<LinkNumber, FrameTypes>();
  /** Writes of a turn that are short enough for a companion, whether there is one or not. */
  shortWrites = 0;
  private companion: LinkNumber | undefined;
  /** The far side knows the companion as such. */
  private isAccompanied = false;

  constructor(private readonly outputs: SessionOutput[]) {}

  /** Frames can be sent. */
  get isWritable(): boolean {
    return this.link !== undefined && !this.ended;
  }

  /** Whether frames wait for {@link emit}. */
  get hasPending(): boolean {
    return this.pending.length > 0;
  }

  /** `link` takes the place of the one before, which is closed. */
  replace(link: LinkNumber, welcomed: boolean): void {
    this.emit();
    this.hearCompanion();
    if (welcomed) this.dropHeard("a newer link of the same client took over");
    if (this.link !== undefined && this.link !== link)
      this.drop(this.link, "a newer link of the same client took over");
    this.link = link;
    this.welcomed = welcomed;
    this.ended = false;
  }

  /** Client: asks over `link`. An access that comes again is asked for beside those before, which go on asking. */
  ask(link: LinkNumber, isRepeat: boolean, now: number): void {
    this.emit();
    if (isRepeat && this.link !== undefined) {
      this.asked.set(this.link, this.sentAt);
      this.makeRoom(this.asked);
      this.link = undefined;
    } else if (this.welcomed && this.link !== undefined) {
      this.hear(this.link, this.ended ? IN_ANSWER : BESIDE);
      this.link = undefined;
    }
    this.replace(link, false);
    this.sentAt = now;
  }

  /**
   * A frame comes over `link`: whether the session is to look at it. What only concerns the links is done here: the
   * first answer to one of several accesses makes its link the session's, and a companion is let in or not.
   */
  admit(link: LinkNumber, type: Frame["type"]): boolean {
    if (link === this.link) return true;
    if (link === this.companion) return this.admitOfCompanion(type);
    if (this.asked.has(link)) {
      if (type === "welcome") this.takeAsked(link);
      return type === "welcome" || type === "refused";
    }
    return this.heard.get(link)?.has(type) ?? false;
  }

  /** The attach on the link was accepted by the far side: nobody else is asked any more. */
  won(): void {
    this.welcomed = true;
    this.dropHeard("a newer link took over");
    for (const link of this.asked.keys()) this.hear(link, IN_ANSWER);
    this.asked.clear();
  }

  /** A link has died. Returns whether it was the one that counts. */
  lost(link: LinkNumber): boolean {
    this.asked.delete(link);
    this.heard.delete(link);
    if (link === this.companion) this.companion = undefined;
    if (link !== this.link) return false;
    this.pending = [];
    this.hearCompanion();
    this.link = undefined;
    this.takeAsked([...this.asked.keys()].at(-1));
    return true;
  }

  /** The session is over: what waits still leaves, then every link is closed. */
  finish(reason: string): void {
    this.emit();
    const { link, companion } = this;
    this.dropHeard(reason);
    this.dropAll([link, companion, ...this.asked.keys()], reason);
    this.asked.clear();
    this.link = this.companion = undefined;
  }

  /** `link` accompanies the attached one from now on; `first` is what is said on it before anything else. */
  accompany(link: LinkNumber, first: Uint8Array, isKnown: boolean): void {
    if (this.companion !== undefined) this.drop(this.companion, "a newer companion followed");
    this.companion = link;
    this.isAccompanied = isKnown;
    this.outputs.push({ type: "transmit", link, frames: [first] });
  }

  /** Puts a frame behind those that wait. */
  queue(frame: Uint8Array): void {
    this.pending.push(frame);
  }

  /** Everything that waits becomes one output, and a copy of it if it is short. */
  emit(): void {
    if (this.pending.length === 0) return;
    const frames = this.pending;
    this.pending = [];
    if (this.link === undefined) return;
    this.outputs.push({ type: "transmit", link: this.link, frames });
    const isShort = frames.reduce((sum, { length }) => sum + length, 0) <= COPY_BYTES_MAX;
    if (isShort) this.shortWrites += 1;
    if (this.companion === undefined || !this.isAccompanied) return;
    // Of what is too long the acknowledgement is worth it: it shows that the companion works.
    const copied = isShort ? frames : frames.filter(([type]) => type === frameTypes.ack);
    if (copied.length > 0) this.outputs.push({ type: "transmit", link: this.companion, frames: copied, isCopy: true });
  }

  /** Answers an attach on `link` with a refusal; the attached link notices nothing. */
  refuse(link: LinkNumber, code: string, message: string): void {
    this.outputs.push({ type: "transmit", link, frames: [encodeFrame({ type: "refused", code, message })] });
    this.drop(link, message);
  }

  /** Wants `link` closed. */
  drop(link: LinkNumber, reason: string): void {
    this.outputs.push({ type: "drop", link, reason });
  }

  /** An earlier attempt takes the place of the newest, which goes on. */
  private takeAsked(link: LinkNumber | undefined): void {
    const sentAt = link === undefined ? undefined : this.asked.get(link);
    if (link !== undefined) this.asked.delete(link);
    if (this.link !== undefined) this.asked.set(this.link, this.sentAt);
    this.link = link;
    this.sentAt = sentAt;
    this.ended = link !== undefined;
  }

  /** A companion's welcome and refusal are about the companion alone. */
  private admitOfCompanion(type: Frame["type"]): boolean {
    if (type === "welcome") this.isAccompanied = true;
    if (type === "refused" && this.companion !== undefined) {
      this.drop(this.companion, "the server takes no companion");
      this.companion = undefined;
    }
    return BESIDE.has(type);
  }

  private hear(link: LinkNumber, types: FrameTypes): void {
    this.heard.set(link, types);
    this.makeRoom(this.heard);
  }

  private hearCompanion(): void {
    if (this.companion !== undefined) this.hear(this.companion, BESIDE);
    this.companion = undefined;
  }

  private makeRoom(links: Map<LinkNumber, unknown>): void {
    const [oldest] = links.keys();
    if (oldest === undefined || links.size <= BESIDE_MAX) return;
    links.delete(oldest);
    this.drop(oldest, "several newer ones are under way");
  }

  private dropHeard(reason: string): void {
    this.dropAll(this.heard.keys(), reason);
    this.heard.clear();
  }

  private dropAll(links: Iterable<LinkNumber | undefined>, reason: string): void {
    for (const link of links) if (link !== undefined) this.drop(link, reason);
  }
}
