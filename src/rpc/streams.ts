/**
 * The streams of one peer, both ways: their numbers, their messages, and whose turn it is. spec/rpc.md, section 7.
 *
 * A stream's number is its lender's, positive if the lender fills it and negative if it is a writable one, which the
 * other side fills. So the sign and the message say whose number it is, and each side has one table of what it sends
 * and one of what it receives.
 */
import { DuowireError, protocolError } from "../base/errors.js";
import { malformed, writeNumber as writeSigned } from "../base/messagepack.js";
import type { OctetReader, OctetWriter } from "../base/octets.js";
import { failureOf } from "./call-failures.js";
import { beginMessage, decodeValue, encodeValue } from "./codec.js";
import { HeldValue } from "./held-value.js";
import { IdleStreams } from "./idle-streams.js";
import { IncomingStream, STREAM_EARLY_BYTES } from "./incoming-stream.js";
import {
  BREAK,
  CREDIT,
  EARLY_MAX,
  END,
  ITEM,
  ITEM_HEAD_BYTES,
  localError,
  MESSAGE_BYTES_LEAST,
  OPEN,
  type PeerContext,
  readNumber,
  readTarget,
  STOP,
  STOP_WITH_REASON,
  URGENT_BYTES_MAX,
  writeNumber,
} from "./messages.js";
import { type ItemSource, OutgoingStream, type SourceItem } from "./outgoing-stream.js";
import { REF_STREAM, type Reference } from "./reference.js";
import type { References, Taken } from "./references.js";
import { forgetCollected, whenCollected } from "./stream-garbage.js";
import type { Sent, StreamLoan, StreamOwner } from "./stream-owner.js";
import {
  drainInto,
  ITERABLE,
  READABLE_OCTETS,
  RemoteIterable,
  readableOf,
  sourceOf,
  streamKindOf,
  WRITABLE,
  WritableSource,
} from "./stream-shapes.js";
import { type StreamFigures, StreamTable } from "./stream-table.js";
import { StreamTurns } from "./stream-turns.js";

/** Both tables, and the turns of what is sent. */
export class Streams implements StreamOwner {
  private readonly table = new StreamTable();
  private readonly turns: StreamTurns;
  private readonly credits = new Set<IncomingStream>();
  /** To be stopped, and why if there is a reason. */
  private readonly stops = new Map<IncomingStream, unknown>();
  private readonly idle: IdleStreams;
  private lastItemMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly context: PeerContext,
    private readonly references: References,
  ) {
    this.idle = new IdleStreams(context);
    this.turns = new StreamTurns(context);
  }

  /** For observers: streams that are not over, by who fills them. */
  get figures(): StreamFigures {
    return this.table.figures;
  }

  /** Whether there are items that wait until the queue has room. */
  get isHeldBack(): boolean {
    return this.turns.size > 0;
  }

  /** Whether CREDIT or STOP is due, perhaps not yet. */
  get hasUrgent(): boolean {
    return this.credits.size > 0 || this.stops.size > 0;
  }

  /** Whether a stream is being read that has flowed within the last `ms`: if it stands still, the path may be dead. */
  hasFlowed(ms: number): boolean {
    if (this.context.clock.monotonicMs() - this.lastItemMs > ms) return false;
    for (const stream of this.table.incoming.values()) if (stream.isWaiting) return true;
    return false;
  }

  /** Lends `value` if it is a stream. Throws `invalid_argument`, `reference_quota`. */
  lend(value: object): { readonly loan: StreamLoan; readonly reference: Reference } | undefined {
    const kind = streamKindOf(value);
    if (kind === undefined) return undefined;
    const number = this.table.newNumber(this.references.exportsMax);
    const loan =
      kind === WRITABLE
        ? this.fill(number, value as WritableStream)
        : this.send(
            number,
            sourceOf(kind, value, (one) => this.itemOf(one)),
          );
    return { loan, reference: { type: REF_STREAM, number, kind } };
  }

  /** Takes a stream that the far side lends, and returns what stands for it here. */
  take(number: number, kind: number): { readonly stream: StreamLoan; readonly value: object } {
    this.table.checkLent(number, Math.max(this.context.limits.referencesMax, EARLY_MAX));
    if (kind === WRITABLE) {
      const source: WritableSource = new WritableSource(
        (one) => this.itemOf(one),
        (reason) => stream.break(reason),
      );
      const stream = new OutgoingStream(this, -number, source, true, STREAM_EARLY_BYTES);
      this.table.outgoing.set(-number, stream);
      stream.ask();
      const writable = source.open();
      whenCollected(writable, stream);
      return { stream, value: writable };
    }
    const stream = this.read(number);
    const value = kind === ITERABLE ? new RemoteIterable(stream) : readableOf(stream, kind === READABLE_OCTETS);
    whenCollected(value, stream);
    return { stream, value };
  }

  /** Opens this side's direction of a channel: `source` begins before the far side has opened it, too. */
  open(name: string, source: ItemSource): void {
    const stream = this.send(this.table.newNumber(this.references.exportsMax), source, STREAM_EARLY_BYTES);
    try {
      this.write(OPEN, stream.number, (writer) => encodeValue(this.references, writer, name, "name"));
    } catch (error) {
      this.forget(stream);
      throw error;
    }
    stream.ask();
  }

  /** The far side opens its direction of a channel. */
  takeOpened(number: number): IncomingStream {
    this.table.checkLent(number, Math.max(this.context.limits.referencesMax, EARLY_MAX));
    const stream = this.read(number, STREAM_EARLY_BYTES);
    stream.isChannel = true;
    return stream;
  }

  receiveCredit(reader: OctetReader): void {
    const stream = this.table.sending(readStream(reader));
    const octets = readNumber(reader);
    if (!stream) return;
    this.idle.delete(stream);
    stream.receiveCredit(octets);
  }

  receiveStop(reader: OctetReader, hasReason: boolean): void {
    const stream = this.table.sending(readStream(reader));
    let reason: unknown;
    try {
      if (hasReason) reason = failureOf({ method: "stream" }, decodeValue(this.references, reader));
    } catch (error) {
      if (!(error instanceof DuowireError)) throw error;
      reason = error;
    }
    this.references.giveBack();
    if (!stream) return;
    this.idle.delete(stream);
    stream.receiveStop(reason);
    this.table.tidy(stream);
  }

  receiveItem(reader: OctetReader): void {
    const start = reader.offset - 2;
    const stream = this.table.receiving(readStream(reader));
    if (!stream.mayReceive) throw protocolError(`an item of stream ${stream.number} beyond its credit`);
    this.lastItemMs = this.context.clock.monotonicMs();
    try {
      const value = decodeValue(this.references, reader);
      stream.receive(value, reader.offset - start, this.references.taken());
    } catch (error) {
      if (!(error instanceof DuowireError)) throw error;
      this.references.giveBack();
      stream.refuse(error);
    }
  }

  receiveEnd(reader: OctetReader): void {
    this.ended(this.table.receiving(readStream(reader)));
  }

  receiveBreak(reader: OctetReader): void {
    const stream = this.table.receiving(readStream(reader));
    let error: unknown;
    try {
      error = failureOf({ method: "stream" }, decodeValue(this.references, reader));
    } catch (refusal) {
      if (!(refusal instanceof DuowireError)) throw refusal;
      error = refusal;
    }
    this.references.giveBack();
    this.ended(stream, { error });
  }

  /** Gives items to the session, one of each stream in turn, as long as little waits there. */
  pump(): void {
    this.turns.pump();
  }

  /** Writes CREDIT and STOP that are due, as long as there is room. */
  writeUrgent(writer: OctetWriter, bytesMax: number): void {
    for (const [stream, reason] of this.stops) {
      if (writer.length + URGENT_BYTES_MAX > bytesMax) return;
      if (!this.isLent(stream)) continue;
      if (reason === undefined) {
        writer.u16(STOP);
        writeSigned(writer, stream.number);
      } else this.sendError(STOP_WITH_REASON, stream.number, reason);
      this.stops.delete(stream);
      this.table.stopped(stream);
    }
    for (const stream of this.credits) {
      if (writer.length + URGENT_BYTES_MAX > bytesMax) return;
      this.credits.delete(stream);
      writer.u16(CREDIT);
      writeSigned(writer, stream.number);
      writeNumber(writer, stream.takeCredit());
    }
  }

  /** The session is over: readers get what has come and then the reason, producers are stopped. */
  end(reason: DuowireError): void {
    this.idle.end();
    for (const waiting of [this.turns, this.credits, this.stops]) waiting.clear();
    const { incoming, outgoing } = this.table.clear();
    for (const stream of incoming) stream.end({ error: reason });
    for (const stream of outgoing) stream.abandon(reason);
  }

  grant(stream: IncomingStream): void {
    if (this.context.ended) return;
    this.credits.add(stream);
    this.context.wake();
  }

  stop(stream: IncomingStream, reason: unknown): void {
    forgetCollected(stream);
    this.credits.delete(stream);
    // A stream that the far side lent and ended is over; one that it fills for us waits for this word.
    if (this.context.ended || (stream.hasEnded && stream.number > 0)) return;
    this.stops.set(stream, reason);
    this.context.wake();
  }

  giveBack(taken: readonly Taken[] | undefined): void {
    if (taken) this.references.giveBack(taken);
  }

  forget(stream: IncomingStream | OutgoingStream): void {
    if (stream instanceof OutgoingStream) this.idle.delete(stream);
    this.table.forget(stream);
  }

  ready(stream: OutgoingStream): void {
    if (!this.context.ended) this.turns.add(stream);
  }

  failed({ origin }: OutgoingStream, error: unknown): void {
    if (!this.context.ended) this.context.events.serviceError?.(origin, error);
  }

  sendItem({ number }: OutgoingStream, item: SourceItem): Sent | HeldValue {
    const sent = this.write(ITEM, number, (writer) => item.write(writer));
    if (sent instanceof HeldValue) sent.onSent = (mark) => item.sent?.(mark);
    else item.sent?.(sent.mark);
    return sent;
  }

  readItem(item: SourceItem): Promise<void> {
    return this.turns.read(item);
  }

  sendEnd(stream: OutgoingStream, failure: { readonly error: unknown } | undefined): void {
    if (failure) this.sendError(BREAK, stream.number, failure.error);
    else this.write(END, stream.number, () => undefined);
    this.idle.delete(stream);
    this.table.tidy(stream);
  }

  bug(error: unknown): void {
    this.context.events.bug?.(error);
  }

  isHanded(mark: number): boolean {
    return this.context.sink.isHanded(mark);
  }

  mayTake(bytes: number): boolean {
    return this.references.messageBytesMax !== undefined || bytes + ITEM_HEAD_BYTES <= MESSAGE_BYTES_LEAST;
  }

  /** What the far side sends goes into a WritableStream of this side. */
  private fill(number: number, writable: WritableStream): IncomingStream {
    const writer = writable.getWriter();
    const stream = this.read(-number, STREAM_EARLY_BYTES);
    stream.writer = writer;
    drainInto(stream, writer).catch((error: unknown) => stream.stop(error));
    return stream;
  }

  /** With `credit`, it belongs to a channel. */
  private send(number: number, source: ItemSource, credit = 0): OutgoingStream {
    const stream = new OutgoingStream(this, number, source, false, credit);
    this.table.outgoing.set(number, stream);
    if (credit === 0) this.idle.add(stream);
    else stream.isChannel = true;
    return stream;
  }

  private read(number: number, credit = 0): IncomingStream {
    const stream = new IncomingStream(this, number, credit);
    this.table.incoming.set(number, stream);
    return stream;
  }

  private itemOf(value: unknown): SourceItem {
    return { write: (writer) => encodeValue(this.references, writer, value, "item", true) };
  }

  private ended(stream: IncomingStream, failure?: { readonly error: unknown }): void {
    if (stream.hasEnded) throw protocolError(`stream ${stream.number} has ended twice`);
    stream.end(failure);
    this.credits.delete(stream);
    if (stream.number > 0) this.stops.delete(stream);
    this.table.ended(stream, this.stops.has(stream));
  }

  /** STOP of a writable one must not overtake the message that lends it. */
  private isLent({ number, mark }: IncomingStream): boolean {
    return number > 0 || (mark !== undefined && this.isHanded(mark));
  }

  /** A BREAK or a STOP; of an error that cannot be sent only what can. */
  private sendError(type: number, number: number, error: unknown): void {
    try {
      this.write(type, number, (writer) => encodeValue(this.references, writer, error, "error"));
    } catch (refusal) {
      if (!(refusal instanceof DuowireError)) throw refusal;
      this.sendError(type, number, localError(refusal.code, refusal.message));
    }
  }

  /** Gives a message to the session, or holds it if Blobs must be read first; what is refused leaves no trace. */
  private write(type: number, number: number, body: SourceItem["write"]): Sent | HeldValue {
    const { references } = this;
    const { sink, wake } = this.context;
    const writer = beginMessage(sink);
    const start = writer.length;
    let isWritten = false;
    try {
      writer.u16(type);
      writeSigned(writer, number);
      const at = writer.length;
      const holes = body(writer);
      if (holes) return new HeldValue(sink, references, "stream", writer, at, holes);
      isWritten = true;
      const bytes = writer.length - start;
      const mark = sink.commit(false);
      references.answered(mark, "stream");
      wake();
      return { mark, bytes };
    } catch (error) {
      if (!isWritten) sink.rollback();
      references.takeBack();
      throw error;
    }
  }
}

function readStream(reader: OctetReader): number {
  return readTarget(reader) || malformed("a stream with number 0");
}
