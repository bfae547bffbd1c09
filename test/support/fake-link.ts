import { decodeFrames, encodeFrame, type Frame } from "../../src/frame/frame.js";
import type { Link, LinkEnd, LinkEvents, LinkKind } from "../../src/frame/link.js";

/** A link whose far end is the test. */
export class FakeLink implements Link {
  queuedBytes = 0;
  /** Each write that was sent, and not taken yet. */
  readonly writes: Uint8Array[] = [];
  closeReason: string | undefined;
  isDead = false;
  private events: LinkEvents | undefined;

  constructor(readonly kind: LinkKind = "memory") {}

  listen(events: LinkEvents): void {
    this.events = events;
  }

  send(octets: Uint8Array): void {
    this.writes.push(octets.slice());
  }

  close(reason: string): void {
    this.closeReason ??= reason;
  }

  /** The frames that were sent since this was last asked. */
  takeFrames(): Frame[] {
    const frames: Frame[] = [];
    for (const write of this.writes.splice(0)) decodeFrames(write, (frame) => frames.push(frame));
    return frames;
  }

  open(): void {
    this.events?.opened();
  }

  /** The far end sends these frames as one write. */
  receive(...frames: Frame[]): void {
    this.receiveOctets(Buffer.concat(frames.map(encodeFrame)));
  }

  receiveOctets(octets: Uint8Array): void {
    this.events?.receive(octets);
  }

  die(end: LinkEnd = "lost", reason = "it died"): void {
    this.isDead = true;
    this.events?.closed(reason, end);
  }
}
