/**
 * One direction's batches on their way: numbered, kept encoded until acknowledged, sent again on the next link (D8).
 */
import { assert } from "../base/assert.js";
import { protocolError } from "../base/errors.js";
import { encodeBatch, encodeFrame } from "../frame/frame.js";
import type { BatchContent } from "./outgoing.js";

/** Used-up places at the front of the list that are worth a move. */
const COMPACT_BATCHES = 1_024;

/** The most that a batch's frame has before its messages: head, sequence, clock, and a fragment's two numbers. */
export const HEAD_BYTES = 4 + 4 * 8;

/** The batches that the far side has not acknowledged. */
export class Outbox {
  /** Octets of frames that are kept for replay. */
  unackedBytes = 0;
  /** Octets of those that have left on the present link. */
  sentBytes = 0;
  /** The number of the last batch that has left on the present link, or was acknowledged before. */
  sent = 0;
  /** The number of the last batch that was made; 0 for none. */
  last = 0;
  /** The number of the last batch that the far side acknowledged. */
  acked = 0;
  /** Frames `acked + 1` to `last`, from place `head` on. */
  private frames: Uint8Array[] = [];
  private head = 0;

  /** Numbers a batch, keeps it, and returns its frame, which leaves now: nothing before it is to be sent again. */
  push(content: BatchContent, clockMs: number): Uint8Array {
    assert(this.sent === this.last, "a batch leaves before those that are to be sent again");
    const sequence = ++this.last;
    const frame =
      content.kind === "whole"
        ? encodeBatch(sequence, clockMs, content.octets)
        : encodeFrame({ type: "fragment", sequence, clockMs, ...withoutKind(content) });
    this.frames.push(frame);
    this.unackedBytes += frame.length;
    this.sentBytes += frame.length;
    this.sent = sequence;
    return frame;
  }

  /** Everything up to `sequence` has arrived. Returns whether that was news; throws when it cannot be. */
  acknowledge(sequence: number): boolean {
    if (sequence > this.last)
      throw protocolError(`batch ${sequence} is acknowledged and ${this.last} is the last sent`);
    if (sequence < this.acked) throw protocolError(`the acknowledgement went back from ${this.acked} to ${sequence}`);
    if (sequence === this.acked) return false;
    while (this.acked < sequence) {
      this.acked += 1;
      const frame = this.frames[this.head];
      assert(frame !== undefined, "an unacknowledged batch is not kept");
      this.unackedBytes -= frame.length;
      if (this.acked <= this.sent) this.sentBytes -= frame.length;
      else this.sent = this.acked;
      this.frames[this.head] = NOTHING;
      this.head += 1;
    }
    this.compact();
    return true;
  }

  /** Another link: all that is not acknowledged is to be sent again. */
  rewind(): void {
    this.sent = this.acked;
    this.sentBytes = 0;
  }

  /** The next frame to send again, if there is one. It leaves now. */
  resend(): Uint8Array | undefined {
    const frame = this.frames[this.head + this.sent - this.acked];
    if (frame === undefined) return undefined;
    this.sent += 1;
    this.sentBytes += frame.length;
    return frame;
  }

  /** Forgets everything: the session has ended. */
  clear(): void {
    this.frames = [];
    this.head = 0;
    this.unackedBytes = this.sentBytes = 0;
    this.acked = this.sent = this.last;
  }

  private compact(): void {
    if (this.head === this.frames.length) {
      this.frames.length = 0;
      this.head = 0;
    } else if (this.head >= COMPACT_BATCHES) {
      this.frames = this.frames.slice(this.head);
      this.head = 0;
    }
  }
}

const NOTHING = new Uint8Array(0);

function withoutKind(content: Extract<BatchContent, { kind: "fragment" }>) {
  const { message, left, octets } = content;
  return { message, left, octets };
}
