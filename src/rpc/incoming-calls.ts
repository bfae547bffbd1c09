/**
 * The calls that the far side makes: started in the order of their numbers, each answered once. spec/rpc.md, sections 2
 * to 4.
 */
import { DuowireError, protocolError } from "../base/errors.js";
import { malformed } from "../base/messagepack.js";
import type { OctetReader } from "../base/octets.js";
import { isMetadata, METADATA_RULE } from "./call-options.js";
import { beginMessage, decodeValue, encodeValue } from "./codec.js";
import { waitUntil } from "./deadline.js";
import { HeldValue } from "./held-value.js";
import { IncomingCall, refusalOf, refuseCall } from "./incoming-call.js";
import { type InterceptedCall, intercept } from "./interceptors.js";
import {
  EARLY_MAX,
  FAILURE,
  localError,
  MESSAGE_BYTES_LEAST,
  type PeerContext,
  RESULT,
  readName,
  readNumber,
  readTarget,
  writeNumber,
} from "./messages.js";
import { checkedFunction, type Method, type MethodTable, methodsOf } from "./method-table.js";
import { runAs } from "./on-behalf.js";
import { ArgumentReader, Results } from "./pipelining.js";
import type { References } from "./references.js";
import { asThrown } from "./remote-error.js";
import { stubMethod } from "./stub.js";
import { hasThen, mustBeAwaited, unsendableThen } from "./thenable.js";

/** One peer's answers to the other. */
export class IncomingCalls {
  private root: object | undefined;
  private methods: MethodTable = new Map();
  /** The number of the call to be started next, and of the highest that has come. */
  private next = 1;
  private highest = 0;
  private parked: Map<number, IncomingCall> | undefined;
  private readonly arguments: ArgumentReader;
  private readonly results: Results<IncomingCall>;
  /** Those whose turn has come, and which are not answered: they run, or wait for results or for room. */
  private readonly running = new Map<number, IncomingCall>();
  /** Cancelled before they came. */
  private cancelled: Set<number> | undefined;
  /** Answers that wait for room. */
  private deferred: IncomingCall[] = [];
  /** Octets of the calls that are parked or run. */
  private bytes = 0;
  /** Octets of results whose Blobs are being read. */
  private readingBytes = 0;

  /** With `isHeld`, calls wait until {@link serve}. */
  constructor(
    private readonly context: PeerContext,
    private readonly references: References,
    private isHeld: boolean,
  ) {
    this.arguments = new ArgumentReader(references);
    this.results = new Results(references);
  }

  /** Calls that are not answered. */
  get openCount(): number {
    return this.running.size + (this.parked?.size ?? 0);
  }

  /** What target 0 is from now on. Throws `invalid_argument` as {@link methodsOf} does. */
  serve(root: object): void {
    this.methods = methodsOf(root);
    this.root = root;
    this.isHeld = false;
    this.resume();
  }

  /** Reads a CALL behind its first two octets. */
  receive(reader: OctetReader, hasOptions: boolean, peerClockMs: number): void {
    const start = reader.offset;
    const call = new IncomingCall(readNumber(reader), readTarget(reader), readName(reader), this.context.session);
    const { number } = call;
    this.admit(number);
    this.readArguments(reader, call);
    if (hasOptions) this.readOptions(reader, call, peerClockMs);
    call.bytes = reader.offset - start;
    const { callsInFlightMax, messageBytesMax } = this.context.limits;
    if (!call.refusal && this.bytes + call.bytes > Math.max(messageBytesMax, callsInFlightMax * MESSAGE_BYTES_LEAST)) {
      call.refusal = localError("queue_full", "the far side holds as much of your calls as it takes");
      call.args = undefined;
      call.bytes = 0;
    }
    this.bytes += call.bytes;
    if (number === this.next && this.mayStart() && this.results.ready.length === 0) {
      this.start(call);
      if (this.parked) this.resume();
    } else {
      this.parked ??= new Map();
      this.parked.set(number, call);
    }
  }

  cancel(number: number): void {
    const reason = localError("cancelled");
    if (number < this.next) return this.stop(this.running.get(number), reason);
    const call = this.parked?.get(number);
    if (call) return call.stop(reason);
    if (number >= Math.max(EARLY_MAX + 1, this.next + this.context.limits.callsInFlightMax))
      throw protocolError(`cancel of call ${number}, and ${this.next} is the next to be started`);
    this.cancelled ??= new Set();
    this.cancelled.add(number);
  }

  /** Goes on where a full queue stopped it. */
  resume(): void {
    while (this.deferred.length > 0 && !this.isFull) {
      const call = this.deferred.shift() as IncomingCall;
      const { type, value } = call.answer as NonNullable<IncomingCall["answer"]>;
      this.write(call, type, value);
    }
    while (this.mayStart()) {
      const ready = this.results.ready.shift();
      const call = ready ?? this.parked?.get(this.next);
      if (!call) break;
      if (ready) this.begin(ready);
      else {
        this.parked?.delete(this.next);
        this.start(call);
      }
    }
    if (this.parked?.size === 0) this.parked = undefined;
  }

  /** Running methods are told, and no answer is given any more. */
  end(reason: DuowireError): void {
    const running = [...this.running.values()];
    this.running.clear();
    this.parked = this.cancelled = undefined;
    this.deferred = [];
    this.results.end();
    for (const call of running) {
      call.cancelTimer?.();
      call.stop(reason);
    }
  }

  private mayStart(): boolean {
    return !this.isHeld && !this.isFull && !this.context.ended;
  }

  /** Whether so much waits that nothing should be started or answered that makes more of it. */
  private get isFull(): boolean {
    const { sink } = this.context;
    return sink.isFull || (this.readingBytes > 0 && sink.queuedBytes + this.readingBytes >= sink.queueBytesMax);
  }

  private admit(number: number): void {
    if (number < this.next || this.parked?.has(number)) throw protocolError(`call ${number} came a second time`);
    if (number <= this.highest) return;
    this.highest = number;
    const { callsInFlightMax } = this.context.limits;
    if (number > EARLY_MAX && this.running.size + number - this.next >= callsInFlightMax)
      throw protocolError(`call ${number} is above ${callsInFlightMax} at once (callsInFlightMax)`);
  }

  private readArguments(reader: OctetReader, call: IncomingCall): void {
    const head = reader.input[reader.offset] as number;
    if (head >> 4 !== 9 && head >> 1 !== 0x6e) malformed("no array of arguments");
    if (-call.target >= call.number) malformed("the result of a call that does not come before");
    call.args = this.read(call, () => this.arguments.read(reader, call)) as unknown[];
    if (call.refusal) this.references.giveBack();
    else call.taken = this.references.taken();
  }

  private readOptions(reader: OctetReader, call: IncomingCall, peerClockMs: number): void {
    const head = reader.input[reader.offset] as number;
    if (head >> 4 !== 8 && head >> 1 !== 0x6f) malformed("no map of options");
    const options = this.read(call, () => decodeValue(this.references, reader)) as
      | { readonly d?: unknown; readonly m?: unknown }
      | undefined;
    this.references.giveBack();
    const metadata = options?.m;
    if (isMetadata(metadata)) call.metadata = metadata;
    else if (metadata !== undefined) call.refusal ??= localError("invalid_argument", METADATA_RULE);
    const deadline = options?.d;
    if (deadline === undefined) return;
    if (typeof deadline !== "number" || !(deadline >= 0)) malformed("a deadline that is no point in time");
    call.dueAt = this.context.clock.monotonicMs() + deadline - peerClockMs;
  }

  /** One value of a call; what is refused is answered when the call's turn comes. */
  private read(call: IncomingCall, read: () => unknown): unknown {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof DuowireError)) throw error;
      call.refusal ??= error;
      return undefined;
    }
  }

  /** The turn of a call has come. */
  private start(call: IncomingCall): void {
    this.results.turn(this.next++);
    if (this.cancelled?.delete(call.number)) call.stop(localError("cancelled"));
    if (this.refusalOf(call) || !this.results.mustWait(call, this.running)) return this.begin(call);
    this.running.set(call.number, call);
    this.watchDeadline(call);
  }

  /** Why a call is not to be started, whatever it calls. */
  private refusalOf(call: IncomingCall): DuowireError | undefined {
    const isLate = call.dueAt !== Number.POSITIVE_INFINITY && call.dueAt <= this.context.clock.monotonicMs();
    return call.stopped ?? (isLate ? localError("deadline_exceeded") : call.refusal);
  }

  /** Starts a call that waits for nothing any more, or answers why not. */
  private begin(call: IncomingCall): void {
    call.cancelTimer?.();
    let self: object | undefined;
    let method: Method;
    let args: unknown[];
    try {
      const refusal = this.refusalOf(call);
      if (refusal) throw refusal;
      args = this.results.fill(call, call.args as unknown[]);
      self = this.targetOf(call);
      method = this.methodOf(call, self);
    } catch (error) {
      if (!(error instanceof DuowireError)) throw error;
      // The method is not called, so its arguments have no owner.
      this.references.giveBack(call.taken ?? []);
      return this.answer(call, FAILURE, error);
    }
    call.args = undefined;
    this.run(call, method, args, typeof self === "function" ? undefined : self);
  }

  private targetOf(call: IncomingCall): object | undefined {
    if (call.target === 0) return this.root;
    return call.target < 0 ? this.results.target(call) : this.references.lentValue(call.target);
  }

  private methodOf({ target, method }: IncomingCall, self: object | undefined): Method {
    const forward = self && stubMethod(self, method);
    const found =
      forward ??
      (typeof self === "function"
        ? method === "" && checkedFunction(self as Method)
        : (target === 0 ? this.methods : methodsOf(self as object)).get(method));
    return found || fail("method_unknown");
  }

  private run(call: IncomingCall, method: Method, args: unknown[], self: object | undefined): void {
    let result: unknown;
    let isPending = false;
    try {
      result = this.context.interceptors
        ? this.intercepted(call, method, self, args)
        : runAs(call, () => method.apply(self, args));
      isPending = mustBeAwaited(result);
    } catch (error) {
      return this.threw(call, error);
    }
    if (!isPending) return this.answer(call, RESULT, result);
    this.running.set(call.number, call);
    this.watchDeadline(call);
    for (const signal of call.signals ?? []) signal.follow();
    Promise.resolve(result).then(
      (value) => this.guarded(() => this.answer(call, RESULT, value)),
      (error) => this.guarded(() => this.threw(call, error)),
    );
  }

  private intercepted(call: IncomingCall, method: Method, self: object | undefined, args: unknown[]): Promise<unknown> {
    const { interceptors = [], session } = this.context;
    const metadata = { ...call.metadata };
    const seen = { direction: "incoming", method: call.method, args, metadata, session: session?.() } as const;
    return runAs(call, () =>
      intercept(interceptors, seen as InterceptedCall, () => {
        const result = runAs(call, () => method.apply(self, args));
        // A promise would call the `then` of data.
        const error = hasThen(result) && !mustBeAwaited(result) ? unsendableThen() : undefined;
        return error ? refuseCall(error, error) : result;
      }),
    );
  }

  private watchDeadline(call: IncomingCall): void {
    if (call.dueAt === Number.POSITIVE_INFINITY) return;
    call.cancelTimer = waitUntil(this.context.clock, call.dueAt, () => {
      this.stop(call, localError("deadline_exceeded"));
      this.resume();
    });
  }

  /** Tells a method to stop. A call that waits for results is not started: its turn to be answered has come. */
  private stop(call: IncomingCall | undefined, reason: DuowireError): void {
    call?.stop(reason);
    if (call) this.results.giveUp(call);
  }

  /** What runs when a promise settles has no caller that would notice a bug. */
  private guarded(run: () => void): void {
    try {
      run();
      if (this.results.ready.length > 0) this.resume();
    } catch (error) {
      this.context.events.bug?.(error);
    }
  }

  private threw(call: IncomingCall, error: unknown): void {
    const refusal = refusalOf(error);
    const told = refusal ? refusal.told : error;
    const isTold = !refusal || refusal.told !== undefined;
    if (isTold && !call.stopped && !this.context.ended) this.context.events.serviceError?.(call.method, told);
    // The method was not called, so its arguments have no owner.
    if (refusal && !isTold) this.references.giveBack(call.taken ?? []);
    this.answer(call, FAILURE, refusal ? error : asThrown(error));
  }

  private answer(call: IncomingCall, type: number, value: unknown): void {
    if (this.context.ended) return;
    call.cancelTimer?.();
    const isStopped = call.stopped !== undefined;
    const what = isStopped ? call.stopped : value;
    if (!this.isFull) return this.write(call, isStopped ? FAILURE : type, what);
    // Not encoded yet: a value is held once, however often it is the answer.
    call.answer = { type: isStopped ? FAILURE : type, value: what };
    this.running.set(call.number, call);
    this.deferred.push(call);
  }

  /** Gives the answer to the session; `held` is one that was written before, to read its Blobs. */
  private write(call: IncomingCall, type: number, value: unknown, held?: HeldValue): void {
    const { context, references } = this;
    const { sink } = context;
    const writer = beginMessage(sink);
    const start = writer.length;
    let bytes = 0;
    let isWritten = false;
    let written: Uint8Array | undefined;
    try {
      writer.u16(type);
      writeNumber(writer, call.number);
      const at = writer.length;
      const isResult = type === RESULT;
      const holes = held ? held.write(writer) : encodeValue(references, writer, value, nameOf(type), isResult);
      if (isResult && hasThen(value)) throw unsendableThen();
      if (context.ended) return;
      if (holes) return this.readFirst(call, value, new HeldValue(sink, references, call.method, writer, at, holes));
      isWritten = true;
      if (isResult) bytes = writer.length - start;
      if (isResult && !held) written = this.results.written(value, writer, at);
      const mark = sink.commit(false);
      const lendsStream = held ? held.sent(mark) : references.answered(mark, call.method);
      // A stream has one reader, so a result that holds one is for the caller alone: no call may name it.
      if (lendsStream) bytes = Number.POSITIVE_INFINITY;
    } catch (error) {
      if (!(error instanceof DuowireError)) throw error;
      if (!isWritten) sink.rollback();
      references.takeBack();
      held?.drop();
      if (type === RESULT) context.events.serviceError?.(call.method, error);
      return this.write(call, FAILURE, error);
    }
    this.running.delete(call.number);
    call.finish();
    this.bytes -= call.bytes;
    this.results.answered(call.number, this.next, value, bytes, written);
    context.wake();
  }

  /** Reads the Blobs of a result; meanwhile other calls are started and answered. */
  private readFirst(call: IncomingCall, value: unknown, held: HeldValue): void {
    this.running.set(call.number, call);
    this.readingBytes += held.bytes;
    const go = (error?: unknown) =>
      this.guarded(() => {
        this.readingBytes -= held.bytes;
        const { stopped } = call;
        if (this.context.ended) return;
        if (error && !stopped) this.context.events.serviceError?.(call.method, error);
        if (stopped) held.drop();
        if (stopped ?? error) this.write(call, FAILURE, stopped ?? error);
        else this.write(call, RESULT, value, held);
        this.resume();
      });
    held.read().then(() => go(), go);
  }
}

function nameOf(type: number): string {
  return type === RESULT ? "result" : "error";
}

function fail(code: DuowireError["code"], message?: string): never {
  throw localError(code, message);
}
