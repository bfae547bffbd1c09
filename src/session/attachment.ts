/**
 * The one link that is attached to a session, or is being attached, and the frames that wait for the end of the turn.
 */
import { encodeFrame, type Frame } from "../frame/frame.js";
import type { LinkNumber, SessionOutput } from "./outputs.js";

/** What is still heard on the link before, until the next one is answered: it is numbered. */
const NUMBERED: ReadonlySet<Frame["type"]> = new Set(["batch", "fragment", "ack"]);

/**
 * At most one link at a time: another one replaces it, and whatever comes from the old one is ignored (D11). At a
 * client that changes from a path that works to a better one, that is so from the answer on: what is on its way over
 * the old one meanwhile would be a round trip late otherwise. Only before the first answer may two links ask for the
 * same: a first access and its repeat. The one answered first stays.
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
  /** The link of an earlier first access that is not answered either; its one write has left. */
  private elder: { readonly link: LinkNumber; readonly sentAt: number | undefined } | undefined;

  /** Client: the link that was attached until the attach that is under way. */
  private former: LinkNumber | undefined;

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
    if (this.link !== undefined && this.link !== link)
      this.drop(this.link, "a newer link of the same client took over");
    this.link = link;
    this.welcomed = welcomed;
    this.ended = false;
  }

  /** Client: asks over `link`. An access that comes again is asked for beside the one before, which goes on asking. */
  ask(link: LinkNumber, isRepeat: boolean, now: number): void {
    if (isRepeat && this.link !== undefined) {
      this.dropElder("two newer accesses are under way");
      this.elder = { link: this.link, sentAt: this.sentAt };
      this.link = undefined;
    } else if (this.welcomed) this.keepFormer();
    this.replace(link, false);
    this.sentAt = now;
  }

  private keepFormer(): void {
    this.emit();
    this.dropFormer("two newer links followed");
    this.former = this.link;
    this.link = undefined;
  }

  /**
   * Whether a frame of `link` counts. Of an older access that is its answer alone: a refusal is heard, a welcome makes
   * it the session's link in place of the newer one.
   */
  hears(link: LinkNumber, type: Frame["type"]): boolean {
    if (link === this.link) return true;
    if (link === this.former) return NUMBERED.has(type);
    if (link !== this.elder?.link || (type !== "welcome" && type !== "refused")) return false;
    if (type === "refused") return true;
    if (this.link !== undefined) this.drop(this.link, "an older access was answered first");
    this.takeElder();
    return true;
  }

  /** The attach on the link was accepted by the far side: nobody else is asked any more. */
  won(): void {
    this.welcomed = true;
    this.dropElder("a newer access was answered first");
    this.dropFormer("a newer link took over");
  }

  /** A link has died. Returns whether it was the one that counts. */
  lost(link: LinkNumber): boolean {
    if (link === this.elder?.link) this.elder = undefined;
    if (link === this.former) this.former = undefined;
    if (link !== this.link) return false;
    this.dropFormer("the link after it has died");
    this.pending = [];
    this.takeElder();
    return true;
  }

  /** The session is over: what waits still leaves, then the link is closed. */
  finish(reason: string): void {
    this.emit();
    if (this.link !== undefined) this.drop(this.link, reason);
    this.link = undefined;
    this.dropElder(reason);
    this.dropFormer(reason);
  }

  /** Puts a frame behind those that wait. */
  queue(frame: Uint8Array): void {
    this.pending.push(frame);
  }

  /** Everything that waits becomes one output. */
  emit(): void {
    if (this.pending.length === 0) return;
    const frames = this.pending;
    this.pending = [];
    if (this.link !== undefined) this.outputs.push({ type: "transmit", link: this.link, frames });
  }

  /** Answers an attach on `link` with a refusal; the attached link notices nothing. */
  refuse(link: LinkNumber, code: string, message: string): void {
    this.outputs.push({ type: "transmit", link, frames: [encodeFrame({ type: "refused", code, message })] });
    this.drop(link, message);
  }

  private takeElder(): void {
    this.link = this.elder?.link;
    this.sentAt = this.elder?.sentAt;
    this.ended = this.elder !== undefined;
    this.elder = undefined;
  }

  private dropElder(reason: string): void {
    if (this.elder !== undefined) this.drop(this.elder.link, reason);
    this.elder = undefined;
  }

  private dropFormer(reason: string): void {
    if (this.former !== undefined) this.drop(this.former, reason);
    this.former = undefined;
  }

  /** Wants `link` closed. */
  drop(link: LinkNumber, reason: string): void {
    this.outputs.push({ type: "drop", link, reason });
  }
}
