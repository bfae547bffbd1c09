/** Streams that are lent and that nobody has started to read: they end some time later (D17). */
import type { CancelTimer } from "../base/clock.js";
import { waitUntil } from "./deadline.js";
import { localError, type PeerContext } from "./messages.js";
import type { OutgoingStream } from "./outgoing-stream.js";

/** A stream that nobody starts to read ends after this long: longer than sessions stay interrupted by default. */
export const STREAM_IDLE_MS = 300_000;

/** The streams of one peer that nobody reads yet, the oldest first, with one timer for all. */
export class IdleStreams {
  private readonly streams = new Map<OutgoingStream, number>();
  private cancelTimer: CancelTimer | undefined;

  constructor(private readonly context: PeerContext) {}

  add(stream: OutgoingStream): void {
    this.streams.set(stream, this.context.clock.monotonicMs() + STREAM_IDLE_MS);
    this.watch();
  }

  /** It is read, or over. */
  delete(stream: OutgoingStream): void {
    if (!this.streams.delete(stream) || this.streams.size > 0) return;
    this.cancelTimer?.();
    this.cancelTimer = undefined;
  }

  /** Forgets everything. */
  end(): void {
    this.cancelTimer?.();
    this.streams.clear();
  }

  private watch(): void {
    if (this.cancelTimer) return;
    const [first] = this.streams;
    if (first) this.cancelTimer = waitUntil(this.context.clock, first[1], () => this.endIdle());
  }

  private endIdle(): void {
    this.cancelTimer = undefined;
    const now = this.context.clock.monotonicMs();
    for (const [stream, dueAt] of this.streams) {
      if (dueAt > now) break;
      this.streams.delete(stream);
      const { mark } = stream;
      // Before the message that lends it has left, nobody can read it, and BREAK would overtake.
      if (mark === undefined || !this.context.sink.isHanded(mark)) this.streams.set(stream, now + STREAM_IDLE_MS);
      else stream.break(localError("stream_broken", `nobody began to read it within ${STREAM_IDLE_MS} ms`));
    }
    this.watch();
  }
}
