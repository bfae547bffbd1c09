/** Values that are written before their message can be: of a channel, and those whose Blobs are read first. */
import type { OctetWriter } from "../base/octets.js";
import { type Hole, UnreadOctets } from "./blobs.js";
import { ITEM_HEAD_BYTES, type MessageSink } from "./messages.js";
import type { Import, References } from "./references.js";

/** One value, as it was when it was written, with all that it lends. */
export class HeldValue {
  /** Octets of the value. */
  readonly bytes: number;
  /** Called when it was given to the session. */
  onSent: ((mark: number) => void) | undefined;
  private octets: Uint8Array | undefined;
  private unread: UnreadOctets | undefined;
  private lent: readonly unknown[];
  private pins: readonly Import[] | undefined;

  /**
   * Takes what `sink` has begun, from `start` on; the begun message is forgotten. `origin` is what it belongs to.
   * Throws `message_too_large`, and has done nothing then.
   */
  constructor(
    sink: MessageSink,
    private readonly references: References,
    private readonly origin: string,
    writer: OctetWriter,
    start: number,
    holes: readonly Hole[] | undefined,
  ) {
    this.unread = holes && new UnreadOctets(writer, start, holes);
    this.bytes = this.unread?.bytes ?? writer.length - start;
    this.checkSize();
    if (!holes) this.octets = writer.copy(start);
    sink.rollback();
    this.lent = references.loans();
    this.pins = references.pins();
  }

  /** Whether its Blobs have to be read before it can be sent. */
  get isToBeRead(): boolean {
    return this.unread !== undefined;
  }

  /** Reads its Blobs, once. Rejects `invalid_argument`, `message_too_large`; then it is dropped. */
  async read(): Promise<void> {
    const { unread } = this;
    this.unread = undefined;
    try {
      // What the far side takes may not have been known when it was written.
      this.checkSize(true);
      if (unread) this.octets = await unread.read();
    } catch (error) {
      this.drop();
      throw error;
    }
  }

  /** Appends it. There are no Blobs to be read any more. */
  write(writer: OctetWriter): undefined {
    if (this.octets) writer.octets(this.octets);
  }

  /** It was given to the session, in the message with this mark. */
  sent(mark: number): void {
    this.references.committed(mark, this.origin, this.lent);
    this.references.unpin(this.pins, mark);
    this.lent = [];
    this.pins = undefined;
    this.onSent?.(mark);
  }

  /** It will not be sent. Does nothing when it was. */
  drop(): void {
    this.references.takeBack(this.lent);
    this.references.unpin(this.pins);
    this.lent = [];
    this.pins = undefined;
  }

  private checkSize(hasBlobs = this.isToBeRead): void {
    this.references.checkSize(this.bytes + ITEM_HEAD_BYTES, hasBlobs);
  }
}
