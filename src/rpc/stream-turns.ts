/** Whose turn it is among the streams that this side fills, and how much of them may wait. */
import type { PeerContext } from "./messages.js";
import type { OutgoingStream, SourceItem } from "./outgoing-stream.js";

/**
 * While so many octets wait in the session's queue, or are read for it, no item is added: calls and answers do not
 * stand behind more. At most a quarter of `queueBytesMax`.
 */
export const STREAM_QUEUE_BYTES = 262_144;

/** The streams of one peer that have an item to send. */
export class StreamTurns {
  /** In the order of their turns. */
  private readonly waiting = new Set<OutgoingStream>();
  private isPumping = false;
  /** Octets of items whose Blobs are being read. */
  private readingBytes = 0;

  constructor(private readonly context: PeerContext) {}

  /** How many wait. */
  get size(): number {
    return this.waiting.size;
  }

  add(stream: OutgoingStream): void {
    this.waiting.add(stream);
    this.pump();
  }

  clear(): void {
    this.waiting.clear();
  }

  /** Gives items to the session, one of each stream in turn, as long as little waits there. */
  pump(): void {
    const { sink } = this.context;
    const most = Math.min(STREAM_QUEUE_BYTES, sink.queueBytesMax / 4);
    if (this.isPumping || this.context.ended) return;
    this.isPumping = true;
    try {
      let heldCount = 0;
      for (const stream of this.waiting) {
        if (this.waiting.size <= heldCount || sink.queuedBytes + this.readingBytes >= most) break;
        this.waiting.delete(stream);
        if (stream.send()) continue;
        this.waiting.add(stream);
        heldCount++;
      }
    } finally {
      this.isPumping = false;
    }
  }

  /** Reads an item. Rejects with a DuowireError. */
  async read(item: SourceItem): Promise<void> {
    const { bytes = 0 } = item;
    this.readingBytes += bytes;
    try {
      await item.read?.();
    } finally {
      this.readingBytes -= bytes;
      this.context.wake();
    }
  }
}
