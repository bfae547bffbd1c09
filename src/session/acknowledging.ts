/** What the far side is told of the batches that have come: with whatever is sent next, or alone after a moment. */
import { encodeFrame } from "../frame/frame.js";
import type { Attachment } from "./attachment.js";
import type { Inbox } from "./inbox.js";
import type { SessionTimers } from "./timers.js";

/** The acknowledgements of one session at one of its ends. */
export class Acknowledging {
  /** The last batch that the far side was told of over the present link. */
  private told = 0;

  constructor(
    private readonly inbox: Inbox,
    private readonly timers: SessionTimers,
    private readonly attached: Attachment,
  ) {}

  /** An attach or a welcome states what has come. */
  stated(): void {
    this.told = this.inbox.received;
    this.inbox.unackedBytes = 0;
  }

  /** The end of a turn. */
  send(now: number): void {
    if (!this.attached.isWritable) return;
    // A batch that came again is acknowledged already: by the attach or the welcome of this link.
    if (this.inbox.received === this.told) return this.timers.ackSettled();
    if (!this.attached.hasPending && !this.timers.ackIsDue(now)) return;
    this.attached.queue(encodeFrame({ type: "ack", sequence: this.inbox.received }));
    this.stated();
    this.timers.ackSettled();
  }
}
