/**
 * The one link that is attached to a session, or is being attached, and the frames that wait for the end of the turn.
 */
import { encodeFrame } from "../frame/frame.js";
import type { LinkNumber, SessionOutput } from "./outputs.js";

/** At most one link at a time: another one replaces it, and whatever comes from the old one is ignored (D11). */
export class Attachment {
  link: LinkNumber | undefined;
  /** The attach on this link has been accepted: by the server here, or by the server's answer there. */
  welcomed = false;
  /** The link takes nothing more: a first access whose request body has ended. */
  ended = false;
  private pending: Uint8Array[] = [];

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

  /** The link has died. */
  lost(): void {
    this.link = undefined;
    this.pending = [];
  }

  /** The session is over: what waits still leaves, then the link is closed. */
  finish(reason: string): void {
    this.emit();
    if (this.link !== undefined) this.drop(this.link, reason);
    this.link = undefined;
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

  /** Wants `link` closed. */
  drop(link: LinkNumber, reason: string): void {
    this.outputs.push({ type: "drop", link, reason });
  }
}
