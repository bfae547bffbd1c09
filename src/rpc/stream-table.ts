/** Which streams there are between two peers, by the numbers that one of them sends and receives. */
import { protocolError } from "../base/errors.js";
import { malformed } from "../base/messagepack.js";
import type { IncomingStream } from "./incoming-stream.js";
import { localError } from "./messages.js";
import type { OutgoingStream } from "./outgoing-stream.js";

/** How many streams are not over, by who fills them, and channels that are open at either side. */
export interface StreamFigures {
  readonly sendingCount: number;
  readonly receivingCount: number;
  readonly channelCount: number;
}

/** The streams of one peer: a number is positive if its lender fills it. */
export class StreamTable {
  readonly incoming = new Map<number, IncomingStream>();
  readonly outgoing = new Map<number, OutgoingStream>();
  /** The last number that this side lent, and the highest that came. */
  private lastNumber = 0;
  private highest = 0;
  /** How many this side has lent, and the far side: until they are over. */
  private lentCount = 0;
  private heldCount = 0;

  get figures(): StreamFigures {
    const sending = [...this.outgoing.values()].filter(({ isChannel }) => !isChannel).length;
    const receiving = [...this.incoming.values()].filter(({ isChannel }) => !isChannel).length;
    const ends = [this.outgoing.size - sending, this.incoming.size - receiving];
    return { sendingCount: sending, receivingCount: receiving, channelCount: Math.max(...ends) };
  }

  /** The number of a stream that is lent now. Throws `reference_quota`. */
  newNumber(lentMax: number): number {
    if (this.lentCount >= lentMax)
      throw localError("reference_quota", `${lentMax} streams are lent, as many as the far side takes (referencesMax)`);
    this.lentCount++;
    return ++this.lastNumber;
  }

  /** The far side lends a stream. */
  checkLent(number: number, heldMax: number): void {
    if (number === 0 || this.heldCount >= heldMax) malformed("a stream with number 0, or one too many");
    if (this.incoming.has(number) || this.outgoing.has(-number)) malformed(`stream ${number} was lent a second time`);
    this.highest = Math.max(this.highest, number);
    this.heldCount++;
  }

  /** What this side sends by that number; undefined once it is over. */
  sending(number: number): OutgoingStream | undefined {
    if (number > this.lastNumber || -number > this.highest) throw protocolError(`stream ${number} was never lent`);
    return this.outgoing.get(number);
  }

  receiving(number: number): IncomingStream {
    const stream = this.incoming.get(number);
    if (!stream) throw protocolError(`stream ${number} was never lent, or has ended`);
    return stream;
  }

  /** END or BREAK came. A writable one of this side is over only when STOP was sent, too. */
  ended(stream: IncomingStream, awaitsStop: boolean): void {
    if (stream.number > 0) {
      this.incoming.delete(stream.number);
      this.heldCount--;
    } else if (stream.isStopped && !awaitsStop) this.forget(stream);
  }

  /** STOP was sent. */
  stopped(stream: IncomingStream): void {
    if (stream.number < 0 && stream.hasEnded) this.forget(stream);
  }

  /** STOP came, or END or BREAK was sent. */
  tidy(stream: OutgoingStream): void {
    if (!stream.isOver || !this.outgoing.delete(stream.number)) return;
    if (stream.number > 0) this.lentCount--;
    else this.heldCount--;
  }

  /** A stream that this side lent is over, or was never sent. */
  forget({ number }: IncomingStream | OutgoingStream): void {
    if (number > 0) this.outgoing.delete(number);
    else this.incoming.delete(number);
    this.lentCount--;
  }

  /** Forgets all, and returns what there was. */
  clear(): { readonly incoming: readonly IncomingStream[]; readonly outgoing: readonly OutgoingStream[] } {
    const all = { incoming: [...this.incoming.values()], outgoing: [...this.outgoing.values()] };
    this.incoming.clear();
    this.outgoing.clear();
    return all;
  }
}
