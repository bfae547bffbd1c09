/**
 * The calls that this side makes: written when they are made, sent as far as the far side's window goes, kept until
 * they are answered. spec/rpc.md, sections 2 and 4.
 */
import { DuowireError, protocolError } from "../base/errors.js";
import type { OctetReader, OctetWriter } from "../base/octets.js";
import { type Hole, UnreadOctets } from "./blobs.js";
import { answered, endError, failureOf, notMade } from "./call-failures.js";
import { type Metadata, writeOptions } from "./call-options.js";
import { beginMessage, decodeValue, encodeValue } from "./codec.js";
import { dueAtOf, watchCall } from "./deadline.js";
import { bodyOf, type EncodedCall } from "./group.js";
import { HeldCalls } from "./held-calls.js";
import {
  CALL,
  CALL_WITH_OPTIONS,
  type CallLimits,
  EARLY_MAX,
  localError,
  MESSAGE_BYTES_LEAST,
  type PeerContext,
  readNumber,
  URGENT_BYTES_MAX,
  writeCancel,
  writeNumber,
  writeTarget,
} from "./messages.js";
import {
  ArgumentWriter,
  type CallTarget,
  checkReach,
  failedOf,
  link,
  numberOf,
  pinFor,
  targetOf,
  unlink,
  withResults,
} from "./naming.js";
import { currentCall, follow, inherit } from "./on-behalf.js";
import { References } from "./references.js";
import { type CallOwner, PendingCall } from "./remote-call.js";
import { type CallMaker, type CallOptions, StubTarget } from "./stub.js";
import { hasThen } from "./thenable.js";
import { UnobservedCalls } from "./unobserved.js";
import { HEAD_BYTES, WaitingCall } from "./waiting-call.js";

/** What a waiting call costs besides its octets: lest many tiny ones take far more memory than the limit says. */
const WAITING_BYTES = 128;

/** One peer's calls of the other. */
export class OutgoingCalls implements CallMaker, CallOwner {
  /** Answers to calls that had been given up: cancelled, or past their deadline. */
  lateAnswers = 0;
  readonly references: References;
  private readonly arguments: ArgumentWriter;
  /** Sent and not answered, by number. */
  private readonly open = new Map<number, PendingCall>();
  /** Not sent yet, in order. */
  private waiting: Set<PendingCall> | undefined;
  private waitingBytes = 0;
  /** Of which CANCEL is to be sent. */
  private cancels: Set<number> | undefined;
  private lastNumber = 0;
  private limits: CallLimits | undefined;
  private window = EARLY_MAX;
  private unobservedCalls: UnobservedCalls | undefined;
  private readonly startedAt: number;
  /** Runs interceptors, if there are any. */
  private readonly held: HeldCalls | undefined;

  constructor(private readonly context: PeerContext) {
    this.references = new References(context, this);
    this.arguments = new ArgumentWriter(this.references, this);
    this.startedAt = context.clock.monotonicMs();
    const { interceptors } = context;
    if (interceptors) this.held = new HeldCalls(context, interceptors, (...made) => this.make(...made));
  }

  /** Calls that the far side has not answered. */
  get openCount(): number {
    return this.open.size;
  }

  /** Calls that wait for the window. */
  get waitingCount(): number {
    return this.waiting?.size ?? 0;
  }

  setLimits(limits: CallLimits): void {
    this.limits = limits;
    this.window = limits.callsInFlightMax;
    this.references.exportsMax = limits.referencesMax;
    this.references.messageBytesMax = limits.messageBytesMax;
    for (const call of this.waiting ?? []) this.read(call);
    this.sendWaiting();
  }

  call(target: CallTarget, method: string, args: readonly unknown[], options?: CallOptions): PendingCall {
    const call = new PendingCall(this, target, method);
    if (this.held) this.held.run(call, args, options);
    else this.make(call, args, options);
    return call;
  }

  /** Makes a call that was written before, perhaps for many sessions: its octets are shared as long as it waits. */
  callEncoded(encoded: EncodedCall): PendingCall {
    const call = new PendingCall(this, undefined, encoded.method);
    try {
      this.sendEncoded(call, bodyOf(encoded));
    } catch (error) {
      notMade(call, error);
    }
    return call;
  }

  private make(call: PendingCall, args: readonly unknown[], options: CallOptions | undefined): void {
    const failed = failedOf(call.target, args);
    if (failed) return call.reject(failed.error);
    const answered = currentCall();
    const isOnBehalf = answered !== undefined && !answered.isFinished;
    try {
      const all = isOnBehalf ? inherit(answered, options, this.context.clock.monotonicMs()) : options;
      if (all) this.sendWith(call, args, all);
      else this.send(call, args);
      if (isOnBehalf) follow(answered, call);
    } catch (error) {
      notMade(call, error);
    }
  }

  abandon(call: PendingCall, code: "cancelled" | "deadline_exceeded", cause?: unknown): void {
    this.giveUp(call, code, cause);
    // What was behind it may go, if it was being read.
    if (this.waiting) this.sendWaiting();
  }

  private giveUp(call: PendingCall, code: "cancelled" | "deadline_exceeded", cause: unknown): void {
    if (call.isSettled) return;
    const isSent = call.number > 0;
    if (!isSent) this.unwait(call, true);
    else if (code === "cancelled") {
      this.cancels = (this.cancels ?? new Set<number>()).add(call.number);
      this.context.wake();
    }
    const error = localError(code, undefined, { cause, outcome: isSent ? "outcome_unknown" : "not_sent" });
    // Whoever still reads an upload is to hear of it, and whoever sends it stops.
    for (const stream of call.streams ?? []) stream.giveUp(error);
    call.reject(error);
    for (const dependent of call.dependents ?? []) this.giveUp(dependent, code, cause);
  }

  unobserved(call: PendingCall): void {
    this.unobservedCalls ??= new UnobservedCalls(this.context);
    this.unobservedCalls.add(call);
  }

  receiveAnswer(reader: OctetReader, isFailure: boolean): void {
    const number = readNumber(reader);
    const call = this.open.get(number);
    if (!call) throw protocolError(`an answer to call ${number}, which is not open`);
    let value: unknown;
    let refusal: DuowireError | undefined;
    try {
      value = decodeValue(this.references, reader);
      if (!isFailure && hasThen(value)) throw localError("invalid_argument", "the result has a function then");
    } catch (error) {
      if (!(error instanceof DuowireError)) throw error;
      refusal = error;
    }
    this.open.delete(number);
    this.cancels?.delete(number);
    const taken = this.references.taken();
    if (refusal || call.isSettled) this.references.giveBack(taken);
    this.unpin(call);
    if (call.isSettled) this.lateAnswers++;
    else if (refusal) call.reject(answered(call, refusal.code, refusal.message));
    else if (isFailure) this.fail(call, this.context.readFailure?.(value) ?? failureOf(call, value));
    else {
      pinFor(call, value);
      call.resolve(value);
    }
    if (this.waiting) this.sendWaiting();
  }

  /** Whether anything is to be written urgently, perhaps not yet. */
  get hasUrgent(): boolean {
    return this.cancels !== undefined || this.references.hasReleases;
  }

  /** Writes CANCEL for what was cancelled, as long as there is room. */
  writeUrgent(writer: OctetWriter, bytesMax: number): void {
    for (const number of this.cancels ?? []) {
      if (writer.length + URGENT_BYTES_MAX > bytesMax) return;
      writeCancel(writer, number);
      this.cancels?.delete(number);
    }
    this.cancels = undefined;
  }

  /** Writes CANCEL for all calls that were given up and may be in the replay, whether it was sent before or not. */
  writeAhead(writer: OctetWriter, bytesMax: number): void {
    for (const [number, call] of this.open) {
      if (writer.length + URGENT_BYTES_MAX > bytesMax) return;
      if (call.isSettled) writeCancel(writer, number);
    }
  }

  /** Every call fails, and says whether it may have run. */
  end(reason: DuowireError): void {
    const calls = [...this.open.values(), ...(this.waiting ?? [])];
    this.open.clear();
    this.waiting = this.cancels = undefined;
    for (const call of calls) {
      if (call.isSettled) continue;
      call.reject(endError(reason, !call.waiting && this.context.sink.isHanded(call.mark)));
      call.waiting = undefined;
    }
    this.held?.end(reason);
    this.references.end(reason);
  }

  private sendWith(call: PendingCall, args: readonly unknown[], { signal, timeoutMs, metadata }: CallOptions): void {
    if (signal?.aborted) throw localError("cancelled", undefined, { cause: signal.reason });
    const { clock } = this.context;
    const dueAt = dueAtOf(clock, timeoutMs);
    this.send(call, args, dueAt === undefined ? undefined : Math.ceil(dueAt - this.startedAt), metadata);
    call.options = { signal, timeoutMs, metadata };
    watchCall(call, clock, dueAt, (code, cause) => this.abandon(call, code, cause));
  }

  private send(call: PendingCall, args: readonly unknown[], deadline?: number, metadata?: Metadata): void {
    const { context, references } = this;
    const { sink } = context;
    if (context.ended) throw endError(context.ended, false);
    if (call.target instanceof PendingCall) call.target = targetOf(call.target, this);
    const { target } = call;
    if (target instanceof StubTarget && target.isReleased) throw localError("reference_released");
    const head = deadline === undefined && metadata === undefined ? CALL : CALL_WITH_OPTIONS;
    const writer = beginMessage(sink);
    const start = writer.length;
    let body: number;
    let argumentsAt: number;
    let holes: readonly Hole[] | undefined;
    try {
      writer.u16(head);
      writeNumber(writer, this.lastNumber + 1);
      body = writer.length;
      writeTarget(writer, numberOf(target));
      if (target instanceof PendingCall) body = writer.length;
      encodeValue(references, writer, call.method, "method");
      argumentsAt = writer.length - body;
      holes = encodeValue(this.arguments, writer, withResults(args), "arguments", true);
      if (head === CALL_WITH_OPTIONS) writeOptions(writer, deadline, metadata);
    } catch (error) {
      sink.rollback();
      references.takeBack();
      this.arguments.taken();
      throw error;
    }
    const named = this.arguments.taken();
    // A getter among the arguments may have ended the session.
    if (context.ended) throw endError(context.ended, false);
    link(call, target instanceof PendingCall ? [...(named ?? []), target] : named);
    if (holes || this.mustWait(writer.length - start)) {
      const written = holes ? new UnreadOctets(writer, body, holes) : writer.copy(body);
      sink.rollback();
      return this.wait(call, new WaitingCall(written, { head, argumentsAt, named }));
    }
    this.commit(call, true);
    context.wake();
  }

  private sendEncoded(call: PendingCall, body: Uint8Array): void {
    const { context } = this;
    if (context.ended) throw endError(context.ended, false);
    if (this.mustWait(HEAD_BYTES + body.length)) return this.wait(call, new WaitingCall(body, { head: CALL }));
    const writer = beginMessage(context.sink);
    writer.u16(CALL);
    writeNumber(writer, this.lastNumber + 1);
    writer.octets(body);
    this.commit(call, true);
    context.wake();
  }

  /** Whether a call of this size has to wait: others wait, or the far side does not take it yet. */
  private mustWait(bytes: number): boolean {
    return this.waiting !== undefined || this.isEarly(bytes) || this.open.size >= this.window;
  }

  /** Whether it is not known yet that the far side takes a message of this size. */
  private isEarly(bytes: number): boolean {
    return !this.limits && bytes > MESSAGE_BYTES_LEAST;
  }

  /** Gives what was written to the session: now it is a call, with a number. */
  private commit(call: PendingCall, bounded: boolean): void {
    try {
      if (call.needs) checkReach(this.context.sink, call, this.lastNumber + 1);
      call.mark = this.context.sink.commit(bounded);
    } catch (error) {
      this.references.takeBack(call.waiting?.lent);
      throw error;
    }
    call.streams = this.references.committed(call.mark, call.method, call.waiting?.lent);
    call.number = ++this.lastNumber;
    this.open.set(call.number, call);
    if (!call.waiting) this.pin(call);
    call.waiting = undefined;
  }

  private wait(call: PendingCall, waiting: WaitingCall): void {
    const { sink } = this.context;
    const bytes = waiting.bytes + WAITING_BYTES;
    const before = sink.queuedBytes + this.waitingBytes;
    try {
      this.references.checkSize(waiting.bytes, waiting.isToBeRead);
      if (before > 0 && before + bytes > sink.queueBytesMax) throw localError("queue_full");
    } catch (error) {
      this.references.takeBack();
      throw error;
    }
    this.waitingBytes += bytes;
    waiting.lent = this.references.loans();
    call.waiting = waiting;
    this.pin(call);
    this.waiting = (this.waiting ?? new Set<PendingCall>()).add(call);
    this.read(call);
  }

  /** Reads the Blobs of a call that waits, once it is known that the far side takes it. Later calls wait behind it. */
  private read(call: PendingCall): void {
    const { waiting } = call;
    if (!waiting?.isToBeRead || this.isEarly(waiting.bytes + HEAD_BYTES)) return;
    waiting
      .read(this.references)
      .catch((error: unknown) => call.waiting === waiting && this.fail(call, error))
      .then(() => this.sendWaiting())
      .catch((error: unknown) => this.context.events.bug?.(error));
  }

  /** Takes a call out of those that wait. */
  private unwait(call: PendingCall, isDropped: boolean): void {
    if (!call.waiting) return;
    this.waitingBytes -= call.waiting.bytes + WAITING_BYTES;
    this.waiting?.delete(call);
    if (this.waiting?.size === 0) this.waiting = undefined;
    if (!isDropped) return;
    this.references.takeBack(call.waiting.lent);
    this.unpin(call);
    call.waiting = undefined;
  }

  private sendWaiting(): void {
    const { sink, wake } = this.context;
    for (const call of this.waiting ?? []) {
      const waiting = call.waiting as WaitingCall;
      if (this.open.size >= this.window || this.isEarly(waiting.bytes + HEAD_BYTES) || !waiting.isWhole) return;
      this.unwait(call, false);
      waiting.write(sink.begin(), this.lastNumber + 1, call.target);
      try {
        this.commit(call, false);
      } catch (error) {
        if (!(error instanceof DuowireError)) throw error;
        call.waiting = undefined;
        this.unpin(call);
        this.fail(call, error);
      }
      wake();
    }
  }

  /** A call failed: those that name its result fail with it, and the far side does not start them. */
  private fail(call: PendingCall, error: unknown): void {
    if (call.isSettled) return;
    this.unwait(call, true);
    call.reject(error);
    for (const dependent of call.dependents ?? []) this.fail(dependent, error);
  }

  private pin(call: PendingCall): void {
    if (call.target instanceof StubTarget) call.target.held.pins++;
    call.pins = this.references.pins();
  }

  private unpin(call: PendingCall): void {
    if (call.needs) unlink(call);
    if (call.target instanceof StubTarget) call.target.held.pins--;
    if (!call.pins) return;
    for (const one of call.pins) one.pins--;
    call.pins = undefined;
  }
}
