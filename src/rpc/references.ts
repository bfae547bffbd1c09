/**
 * What is lent to the far side, and what it lent to us (D22). Lenders count how often they lent a thing, and a release
 * says how often it was received: so one that crosses another loan is safe. spec/rpc.md, section 5.
 */
import { type DuowireError, protocolError } from "../base/errors.js";
import { malformed } from "../base/messagepack.js";
import type { OctetWriter } from "../base/octets.js";
import { tooLarge } from "./blobs.js";
import { beginMessage, type ReferenceOwner } from "./codec.js";
import { EARLY_MAX, localError, type PeerContext, RELEASE, REVOKE, URGENT_BYTES_MAX, writeNumber } from "./messages.js";
import { methodsOf } from "./method-table.js";
import { REF_HOME, REF_LENT, REF_SIGNAL, REF_STREAM, type Reference, type ReferenceType } from "./reference.js";
import { Target } from "./service.js";
import { functionOf, IncomingSignal } from "./signals.js";
import type { StreamLoan } from "./stream-owner.js";
import { Streams } from "./streams.js";
import { type CallMaker, makeStub, StubTarget, stubTargetOf } from "./stub.js";

const FUNCTION = 0;
const TARGET = 1;
/** The third kind is of streams; on the wire a signal is known by its type. */
const SIGNAL = 3;

/** Something of ours that the far side may call. */
export interface Export {
  readonly number: number;
  /** Undefined once revoked. */
  value: object | undefined;
  /** How often it was lent, less what was released. */
  count: number;
}

/** Something of the far side's. */
export interface Import {
  readonly number: number;
  readonly kind: number;
  /** How often it was received. */
  count: number;
  /** Calls that name it and are not answered. */
  pins: number;
  /** The marks of other messages that name it. */
  marks: number[];
  /** What its stub calls; undefined once that is released: then RELEASE is due. */
  live: StubTarget | undefined;
  /** The stub, for as long as anybody else has it. */
  stub: { deref(): object | undefined } | undefined;
}

/** What a message has brought that its receiver owns from now on. */
export type Taken = StubTarget | StreamLoan;

/** All that lend something now: for {@link revoke}, which is not told the session. */
const lenders = new Set<References>();

const collected =
  typeof FinalizationRegistry === "undefined"
    ? undefined
    : new FinalizationRegistry<StubTarget>((target) => target.references.release(target));

/** The references of one peer. */
export class References implements ReferenceOwner {
  /** How many the far side takes. */
  exportsMax = EARLY_MAX;
  /** The octets of a message that the far side takes; undefined until it has said so. */
  messageBytesMax: number | undefined;
  /** Undefined until there was a stream. */
  streams: Streams | undefined;
  private exports: Map<number, Export> | undefined;
  private numbers: Map<object, Export> | undefined;
  private lastNumber = 0;
  private isHigh = false;
  private imports: Map<number, Import> | undefined;
  private releases: Set<Import> | undefined;
  /** What the message that is being written lends, and what it sends home. */
  private readonly lent: (Export | StreamLoan)[] = [];
  private readonly named: Import[] = [];
  /** The stubs, each time, and the streams that the message being read has brought. */
  private readonly fresh: Taken[] = [];

  constructor(
    private readonly context: PeerContext,
    private readonly calls: CallMaker,
  ) {}

  get stacks(): boolean {
    return this.context.stacks;
  }

  /** How many things are lent to the far side. */
  get lentCount(): number {
    return this.exports?.size ?? 0;
  }

  /** How many things of the far side are held, those included of which the release is on its way. */
  get heldCount(): number {
    return this.imports?.size ?? 0;
  }

  /** Whether the message that is being written lends anything, or sends it home. */
  get isNaming(): boolean {
    return this.lent.length + this.named.length > 0;
  }

  /** Whether RELEASE is due for anything, perhaps not yet. */
  get hasReleases(): boolean {
    return this.releases !== undefined && this.releases.size > 0;
  }

  send(value: object): Reference | undefined {
    const target = stubTargetOf(value);
    if (target !== undefined) return this.sendStub(target, value);
    if (typeof value === "function") return this.lend(value, FUNCTION);
    if (!(value instanceof Target)) return this.lendStream(value);
    methodsOf(value);
    return this.lend(value, TARGET);
  }

  receive(type: ReferenceType, number: number, kind: number): unknown {
    if (type === REF_HOME) return this.lentValue(number);
    if (type === REF_STREAM) return this.takeStream(number, kind);
    if (type !== REF_LENT) throw localError("invalid_argument", "a result of a call cannot stand here");
    const one = this.take(number, kind);
    const stub = (one.live && one.stub?.deref()) || this.newStub(one);
    const target = one.live as StubTarget;
    target.bringers++;
    this.fresh.push(target);
    return stub;
  }

  /** Lends a signal. */
  sendSignal(signal: AbortSignal): Reference {
    return { ...this.lend(functionOf(signal), SIGNAL), type: REF_SIGNAL, kind: signal.aborted ? 1 : 0 };
  }

  /** The signal that came by this number: the same one as long as it is held. */
  receiveSignal(number: number): IncomingSignal {
    const one = this.take(number, SIGNAL);
    const known = one.live && one.stub?.deref();
    if (known) return known as IncomingSignal;
    this.releases?.delete(one);
    one.live = new StubTarget(this, one);
    const signal = new IncomingSignal(one.live, this.calls);
    one.stub = { deref: () => signal };
    return signal;
  }

  /** What was lent by this number. Throws `reference_unknown` or `reference_released`. */
  lentValue(number: number): object {
    const value = this.exports?.get(number)?.value;
    if (value) return value;
    throw localError(number > this.lastNumber || number === 0 ? "reference_unknown" : "reference_released");
  }

  /** The number under which `value` is lent now, if it is. */
  numberOf(value: unknown): number | undefined {
    return this.numbers?.get(value as object)?.number;
  }

  /** Undoes the loans of a message that is not sent. */
  takeBack(loans: readonly unknown[] = this.lent): void {
    for (const one of loans as (Export | StreamLoan)[]) {
      if ("takeBack" in one) one.takeBack();
      else this.subtract(one, 1);
    }
    this.lent.length = this.named.length = 0;
  }

  /** What the message that was written lends, for {@link takeBack}. */
  loans(): readonly unknown[] {
    return this.lent.splice(0);
  }

  /** What the call that was written sends home, pinned until its answer. */
  pins(): readonly Import[] | undefined {
    if (this.lent.length > 0) this.lent.length = 0;
    if (this.named.length === 0) return undefined;
    for (const one of this.named) one.pins++;
    return this.named.splice(0);
  }

  /**
   * What a message lent that was given to the session with this mark; `origin` is the method that it belongs to.
   * Returns the streams among it, if any.
   */
  committed(mark: number, origin: string, loans: readonly unknown[] = this.lent): StreamLoan[] | undefined {
    let streams: StreamLoan[] | undefined;
    for (const one of loans as (Export | StreamLoan)[]) {
      if (!("takeBack" in one)) continue;
      streams ??= [];
      streams.push(Object.assign(one, { mark, origin }));
    }
    return streams;
  }

  /** An answer or an item was committed with this mark. Returns whether it lends a stream. */
  answered(mark: number, origin: string): boolean {
    const streams = this.lent.length > 0 ? this.committed(mark, origin) : undefined;
    this.lent.length = 0;
    for (const one of this.named.splice(0)) this.addMark(one, mark);
    return streams !== undefined;
  }

  /** What {@link pins} returned is named by the message with this mark, or by none. */
  unpin(pins: readonly Import[] | undefined, mark?: number): void {
    for (const one of pins ?? []) {
      one.pins--;
      if (mark !== undefined) this.addMark(one, mark);
    }
  }

  /** What the message being read has brought, for {@link giveBack}: once. */
  taken(): Taken[] | undefined {
    return this.fresh.length > 0 ? this.fresh.splice(0) : undefined;
  }

  /** A message is not delivered: releases what it has brought, and no other one. */
  giveBack(taken: readonly Taken[] | undefined = this.taken()): void {
    for (const one of taken ?? []) {
      if ("discard" in one) one.discard();
      else if (--one.bringers === 0) this.release(one);
    }
  }

  /** A stub is not used any more. */
  release(target: StubTarget): void {
    const { held } = target;
    if (target.isReleased) return;
    target.isReleased = true;
    collected?.unregister(target);
    if (held.live !== target || this.context.ended) return;
    held.live = held.stub = undefined;
    this.releases ??= new Set();
    this.releases.add(held);
    this.context.wake();
  }

  /** Takes back something that is lent; false if it is not. */
  revoke(value: object): boolean {
    const one = this.numbers?.get(value);
    if (!one) return false;
    const { sink, wake } = this.context;
    const writer = beginMessage(sink);
    writer.u16(REVOKE);
    writeNumber(writer, one.number);
    sink.commit(false);
    this.numbers?.delete(value);
    one.value = undefined;
    wake();
    return true;
  }

  receiveRelease(number: number, count: number): void {
    const one = this.exports?.get(number);
    if (!one || count > one.count) throw protocolError(`release of reference ${number}, more than it was lent`);
    this.subtract(one, count);
  }

  receiveRevoke(number: number): void {
    const live = this.imports?.get(number)?.live;
    if (live) this.release(live);
  }

  /** Writes RELEASE for what may be released, as long as there is room. */
  writeUrgent(writer: OctetWriter, bytesMax: number): void {
    for (const one of this.releases ?? []) {
      if (writer.length + URGENT_BYTES_MAX > bytesMax) return;
      if (one.pins > 0 || !one.marks.every((mark) => this.context.sink.isHanded(mark))) continue;
      writer.u16(RELEASE);
      writeNumber(writer, one.number);
      writeNumber(writer, one.count);
      this.releases?.delete(one);
      this.imports?.delete(one.number);
    }
  }

  /** Forgets everything. */
  end(reason: DuowireError): void {
    this.streams?.end(reason);
    this.exports = this.numbers = this.imports = this.releases = undefined;
    lenders.delete(this);
  }

  private addMark(one: Import, mark: number): void {
    one.marks = one.marks.filter((mark) => !this.context.sink.isHanded(mark));
    one.marks.push(mark);
  }

  private newStub(one: Import): object {
    this.releases?.delete(one);
    const target = new StubTarget(this, one);
    const stub: object = makeStub(this.calls, target, one.kind === FUNCTION);
    one.live = target;
    one.stub = typeof WeakRef === "undefined" ? { deref: () => stub } : new WeakRef(stub);
    collected?.register(stub, target, target);
    return stub;
  }

  private take(number: number, kind: number): Import {
    this.imports ??= new Map();
    let one = this.imports.get(number);
    if (!one) {
      const most = Math.max(this.context.limits.referencesMax, EARLY_MAX);
      if (number === 0 || this.imports.size >= most) malformed("a reference with number 0, or one too many");
      one = { number, kind, count: 0, pins: 0, marks: [], live: undefined, stub: undefined };
      this.imports.set(number, one);
    }
    if (one.kind !== kind) malformed("a reference that has changed its kind");
    one.count++;
    return one;
  }

  /** A stub goes home; one of another session is lent like a thing of ours, and calls of it are passed on. */
  private sendStub(target: StubTarget | null, stub: object): Reference {
    if (!target) throw localError("invalid_argument", "the stub of a root cannot be passed: pass a function");
    if (target.isReleased) throw localError("reference_released");
    if (target.references !== this) return this.lend(stub, target.held.kind);
    this.named.push(target.held);
    return { type: REF_HOME, number: target.held.number };
  }

  private lend(value: object, kind: number): Reference {
    this.exports ??= new Map();
    this.numbers ??= new Map();
    let one = this.numbers.get(value);
    if (!one) {
      if (this.exports.size >= this.exportsMax) throw localError("reference_quota");
      one = { number: ++this.lastNumber, value, count: 0 };
      this.exports.set(one.number, one);
      this.numbers.set(value, one);
      lenders.add(this);
      this.watchQuota(this.exports.size);
    }
    one.count++;
    this.lent.push(one);
    return { type: REF_LENT, number: one.number, kind };
  }

  /** Throws `message_too_large` if a message of so many octets is known not to be taken. */
  checkSize(bytes: number, hasBlobs = false): void {
    const { messageBytesMax: most = Number.POSITIVE_INFINITY } = this;
    if (bytes <= most) return;
    throw localError("message_too_large", tooLarge(bytes, most, hasBlobs), { outcome: "not_sent" });
  }

  /** The streams, made when they are needed. */
  useStreams(): Streams {
    this.streams ??= new Streams(this.context, this);
    return this.streams;
  }

  private lendStream(value: object): Reference | undefined {
    const lent = this.useStreams().lend(value);
    if (lent) this.lent.push(lent.loan);
    return lent?.reference;
  }

  private takeStream(number: number, kind: number): object {
    const { stream, value } = this.useStreams().take(number, kind);
    this.fresh.push(stream);
    return value;
  }

  private watchQuota(size: number): void {
    if (size < 0.5 * this.exportsMax) this.isHigh = false;
    if (this.isHigh || size < 0.8 * this.exportsMax) return;
    this.isHigh = true;
    this.context.events.referencesHigh?.(size, this.exportsMax);
  }

  private subtract(one: Export, count: number): void {
    one.count -= count;
    if (one.count > 0) return;
    this.exports?.delete(one.number);
    if (one.value) this.numbers?.delete(one.value);
    if (this.lentCount === 0) lenders.delete(this);
  }
}

/**
 * Takes back a function or a Target that was passed to the far side, in whichever sessions: calls of it fail there with
 * `reference_released` from now on. Passing it again lends it anew. False if it was not lent.
 */
export function revoke(value: object): boolean {
  let was = false;
  for (const lender of lenders) was = lender.revoke(value) || was;
  return was;
}
