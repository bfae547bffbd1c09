/**
 * The calls that this side makes: written when they are made, sent as far as the far side's window goes, kept until
 * they are answered. spec/rpc.md, sections 2 and 4.
 */
import { DuowireError, protocolError } from "../base/errors.js";
import type { OctetReader, OctetWriter } from "../base/octets.js";
import { whenAborted } from "./abort-listeners.js";
import { answered, endError, failureOf, notMade } from "./call-failures.js";
import { type Metadata, writeOptions } from "./call-options.js";
import { beginMessage, decodeValue, encodeValue } from "./codec.js";
import { waitUntil } from "./deadline.js";
import type { EncodedCall } from "./group.js";
import { hasThen } from "./incoming-calls.js";
import { type InterceptedCall, intercept } from "./interceptors.js";
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
  fillGaps,
  type Gap,
  gapsIn,
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
import { UnobservedCalls } from "./unobserved.js";

/** What a waiting call costs besides its octets: lest many tiny ones take far more memory than the limit says. */
const WAITING_BYTES = 128;
/** The longest number, and what stands before it. */
const HEAD_BYTES = 11;

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

  constructor(private readonly context: PeerContext) {
    this.references = new References(context, this);
    this.arguments = new ArgumentWriter(this.references, this);
    this.startedAt = context.clock.monotonicMs();
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
    this.sendWaiting();
  }

  call(target: CallTarget, method: string, args: readonly unknown[], options?: CallOptions): PendingCall {
    const call = new PendingCall(this, target, method);
    if (this.context.interceptors) this.intercepted(call, args, options);
    else this.make(call, args, options);
    return call;
  }

  /** Makes a call that was written before, perhaps for many sessions: its octets are shared as long as it waits. */
  callEncoded({ method, body }: EncodedCall): PendingCall {
    const call = new PendingCall(this, undefined, method);
    try {
      this.sendEncoded(call, body);
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

  private intercepted(call: PendingCall, args: readonly unknown[], options: CallOptions | undefined): void {
    const { interceptors = [], session } = this.context;
    const metadata = { ...options?.metadata };
    const seen = {
      direction: "outgoing",
      method: call.method,
      args: [...args],
      metadata,
      session: session?.(),
    } as const;
    const outcome = intercept(interceptors, seen as InterceptedCall, () => {
      const own = Object.keys(metadata).length > 0 ? { ...options, metadata } : options;
      if (!call.isSettled) this.make(call, seen.args, own);
      return call.answer();
    });
    call.replaceOutcome(outcome);
  }

  abandon(call: PendingCall, code: "cancelled" | "deadline_exceeded", cause?: unknown): void {
    if (call.isSettled) return;
    const isSent = call.number > 0;
    if (!isSent) this.unwait(call, true);
    else if (code === "cancelled") {
      this.cancels ??= new Set();
      this.cancels.add(call.number);
      this.context.wake();
    }
    const error = localError(code, undefined, { cause, outcome: isSent ? "outcome_unknown" : "not_sent" });
    // Whoever still reads an upload is to hear of it, and whoever sends it stops.
    for (const stream of call.streams ?? []) stream.giveUp(error);
    call.reject(error);
    for (const dependent of call.dependents ?? []) this.abandon(dependent, code, cause);
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
    this.references.end(reason);
  }

  private sendWith(call: PendingCall, args: readonly unknown[], { signal, timeoutMs, metadata }: CallOptions): void {
    if (signal?.aborted) throw localError("cancelled", undefined, { cause: signal.reason });
    if (timeoutMs !== undefined && !(timeoutMs >= 0)) throw localError("invalid_argument", "timeoutMs is below 0");
    const { clock } = this.context;
    const dueAt = clock.monotonicMs() + (timeoutMs ?? Number.POSITIVE_INFINITY);
    const hasDeadline = dueAt < Number.MAX_SAFE_INTEGER;
    this.send(call, args, hasDeadline ? Math.ceil(dueAt - this.startedAt) : undefined, metadata);
    call.options = { signal, timeoutMs, metadata };
    const stopListening = signal && whenAborted(signal, () => this.abandon(call, "cancelled", signal.reason));
    const cancelTimer = hasDeadline
      ? waitUntil(clock, dueAt, () => this.abandon(call, "deadline_exceeded"))
      : undefined;
    call.cleanUp = () => {
      stopListening?.();
      cancelTimer?.();
    };
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
    try {
      writer.u16(head);
      writeNumber(writer, this.lastNumber + 1);
      body = writer.length;
      writeTarget(writer, numberOf(target));
      if (target instanceof PendingCall) body = writer.length;
      encodeValue(references, writer, call.method, "method");
      argumentsAt = writer.length - body;
      encodeValue(this.arguments, writer, withResults(args), "arguments");
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
    if (this.mustWait(writer.length - start)) {
      const copy = writer.copy(body);
      sink.rollback();
      return this.wait(call, head, copy, gapsIn(copy, argumentsAt, named));
    }
    this.commit(call, true);
    context.wake();
  }

  private sendEncoded(call: PendingCall, body: Uint8Array): void {
    const { context } = this;
    if (context.ended) throw endError(context.ended, false);
    if (this.mustWait(HEAD_BYTES + body.length)) return this.wait(call, CALL, body);
    const writer = beginMessage(context.sink);
    writer.u16(CALL);
    writeNumber(writer, this.lastNumber + 1);
    writer.octets(body);
    this.commit(call, true);
    context.wake();
  }

  /** Whether a call of this size has to wait: others wait, or the far side does not take it yet. */
  private mustWait(bytes: number): boolean {
    const isEarly = !this.limits && bytes > MESSAGE_BYTES_LEAST;
    return this.waiting !== undefined || isEarly || this.open.size >= this.window;
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

  private wait(call: PendingCall, head: number, body: Uint8Array, gaps: readonly Gap[] = []): void {
    const { sink } = this.context;
    const bytes = body.length + WAITING_BYTES;
    const before = sink.queuedBytes + this.waitingBytes;
    const isFull = before > 0 && before + bytes > sink.queueBytesMax;
    if (isFull || (this.limits && body.length > this.limits.messageBytesMax)) {
      this.references.takeBack();
      throw localError(isFull ? "queue_full" : "message_too_large");
    }
    this.waitingBytes += bytes;
    call.waiting = { head, body, lent: this.references.loans(), gaps };
    this.pin(call);
    this.waiting ??= new Set();
    this.waiting.add(call);
  }

  /** Takes a call out of those that wait. */
  private unwait(call: PendingCall, isDropped: boolean): void {
    if (!call.waiting) return;
    this.waitingBytes -= call.waiting.body.length + WAITING_BYTES;
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
      const { head, body, gaps } = call.waiting as NonNullable<PendingCall["waiting"]>;
      if (this.open.size >= this.window || (!this.limits && body.length + HEAD_BYTES > MESSAGE_BYTES_LEAST)) return;
      this.unwait(call, false);
      const writer = sink.begin();
      writer.u16(head);
      writeNumber(writer, this.lastNumber + 1);
      if (call.target instanceof PendingCall) writeTarget(writer, numberOf(call.target));
      const start = writer.length;
      writer.octets(body);
      fillGaps(writer, start, gaps);
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
