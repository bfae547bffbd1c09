/**
 * One direction of a session: what is queued becomes numbered batches, as far as the far side's window and the path's
 * pace go, and what was not acknowledged is sent again on each new link.
 */
import { EARLY_BYTES_MAX } from "../frame/limits.js";
import { HEAD_BYTES, Outbox } from "./outbox.js";
import type { BatchContent, Outgoing } from "./outgoing.js";
import { Pace } from "./pace.js";
import type { SessionClock } from "./session-clock.js";

/** What leaves, in its order. The session says when: nothing here knows of links. */
export class Sending {
  /** What the far side takes without acknowledgement. */
  windowBytes = EARLY_BYTES_MAX;
  /** Whether the path's pace counts: not for early calls, and not for what leaves before the end. */
  isPaced = false;
  private readonly outbox = new Outbox();
  private readonly pace = new Pace();

  constructor(
    private readonly outgoing: Outgoing,
    private readonly clock: SessionClock,
    /** Takes each frame that leaves. */
    private readonly leave: (frame: Uint8Array, now: number) => void,
  ) {}

  /** The number of the last batch that has left on the present link, or was acknowledged before. */
  get sent(): number {
    return this.outbox.sent;
  }

  /** The number of the last batch that the far side acknowledged. */
  get acked(): number {
    return this.outbox.acked;
  }

  /** Octets that are kept until they are acknowledged. */
  get unackedBytes(): number {
    return this.outbox.unackedBytes;
  }

  get hasUnacked(): boolean {
    return this.outbox.unackedBytes > 0;
  }

  /** How long what is on its way takes to arrive, as far as the path is known. */
  get drainMs(): number {
    return this.pace.drainMs(this.outbox.sentBytes);
  }

  /** Everything up to `sequence` has arrived. Returns whether that was news; throws when it cannot be. */
  acknowledge(sequence: number, now: number): boolean {
    if (!this.outbox.acknowledge(sequence)) return false;
    this.pace.acknowledged(sequence, !this.outgoing.isEmpty, now);
    if (this.isPaced) this.outgoing.batchBytes = this.pace.batchBytes;
    return true;
  }

  /** A new link: everything that is not acknowledged is sent again, as far as its pace goes; the rest follows. */
  begin(now: number, firstBytes?: number): void {
    this.outbox.rewind();
    this.pace.begin(firstBytes);
    if (this.isPaced) this.outgoing.batchBytes = this.pace.batchBytes;
    this.resend(now);
  }

  /** Sends again what has not left on this link yet, as far as it may; returns whether all has. */
  private resend(now: number, isUrgent = false): boolean {
    for (;;) {
      const frame = isUrgent || this.isOpen ? this.outbox.resend() : undefined;
      if (frame === undefined) return this.outbox.sent === this.outbox.last;
      this.pace.sent(this.outbox.sent, this.outbox.sentBytes, now);
      this.leave(frame, now);
    }
  }

  /** What is queued becomes batches, behind what is to be sent again. */
  makeBatches(now: number): void {
    if (!this.resend(now)) return;
    for (;;) {
      const room = this.isOpen ? this.windowRoom() : 0;
      const content = room > 0 ? this.outgoing.next(room) : undefined;
      if (content === undefined) return;
      this.send(content, now);
    }
  }

  /** Makes a batch of this now, whatever window and pace say: what is to be sent again goes before it. */
  send(content: BatchContent, now: number): void {
    this.resend(now, true);
    const frame = this.outbox.push(content, this.clock.localMs(now));
    this.pace.sent(this.outbox.last, this.outbox.sentBytes, now);
    this.leave(frame, now);
  }

  /** Octets that {@link send} may take with `reserveBytes` beyond the window. */
  urgentRoom(reserveBytes: number): number {
    return Math.max(0, this.windowRoom() + reserveBytes);
  }

  /** Forgets everything: the session has ended. */
  clear(): void {
    this.outgoing.clear();
    this.outbox.clear();
  }

  /** How long the next batch's messages may be; negative when the window is overdrawn by the reserve. */
  private windowRoom(): number {
    return this.windowBytes - this.outbox.unackedBytes - HEAD_BYTES;
  }

  /** Whether another batch may leave by the path's pace, and go beyond it: so a path can show that it carries more. */
  private get isOpen(): boolean {
    return !this.isPaced || this.outbox.sentBytes < this.pace.bytes;
  }
}
