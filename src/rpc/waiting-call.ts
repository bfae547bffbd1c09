/** A call that waits: for the far side's window, or until its Blobs are read. It is kept as it was when it was made. */
import type { OctetWriter } from "../base/octets.js";
import { UnreadOctets } from "./blobs.js";
import { writeNumber, writeTarget } from "./messages.js";
import { fillGaps, type Gap, gapsIn, numberOf } from "./naming.js";
import type { References } from "./references.js";
import { PendingCall } from "./remote-call.js";

/** The longest number, and what stands before it. */
export const HEAD_BYTES = 11;

/** What it is made with besides its octets. */
export interface WrittenCall {
  readonly head: number;
  /** Its arguments begin so many octets behind the target. */
  readonly argumentsAt?: number;
  /** The calls that its arguments name. */
  readonly named?: readonly PendingCall[] | undefined;
}

/** The message of one call, but for its number. */
export class WaitingCall {
  /** Octets of the message behind the target. */
  readonly bytes: number;
  /** What it lends. */
  lent: readonly unknown[] = [];
  private octets: Uint8Array | undefined;
  private gaps: readonly Gap[] = [];
  /** What is to be read. */
  private unread: UnreadOctets | undefined;
  /** The calls that it names and that had no number when it was written. */
  private readonly late: readonly PendingCall[];

  /** With what stands behind the target, which nobody changes any more. */
  constructor(
    body: Uint8Array | UnreadOctets,
    private readonly call: WrittenCall,
  ) {
    this.late = call.named?.filter((one) => one.number === 0) ?? [];
    if (body instanceof UnreadOctets) {
      this.unread = body;
      this.bytes = body.bytes;
    } else {
      this.bytes = body.length;
      this.take(body);
    }
  }

  /** Whether all of it is here. */
  get isWhole(): boolean {
    return this.octets !== undefined;
  }

  /** Whether its Blobs are to be read. */
  get isToBeRead(): boolean {
    return this.unread !== undefined;
  }

  /** Reads its Blobs, once. Rejects `invalid_argument`, and `message_too_large` before anything is read. */
  async read(references: References): Promise<void> {
    const { unread } = this;
    this.unread = undefined;
    references.checkSize(this.bytes, true);
    if (unread) this.take(await unread.read());
  }

  /** Writes the message of a call with this number, of this target. */
  write(writer: OctetWriter, number: number, target: PendingCall["target"]): void {
    writer.u16(this.call.head);
    writeNumber(writer, number);
    if (target instanceof PendingCall) writeTarget(writer, numberOf(target));
    const start = writer.length;
    if (this.octets) writer.octets(this.octets);
    fillGaps(writer, start, this.gaps);
  }

  private take(octets: Uint8Array): void {
    this.octets = octets;
    this.gaps = gapsIn(octets, this.call.argumentsAt ?? 0, this.late);
  }
}
