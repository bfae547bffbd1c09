import { localError } from "./messages.js";
import type { CallTarget } from "./naming.js";
import { makeResult } from "./result-stub.js";
import type { StreamLoan } from "./stream-owner.js";
import type { CallOptions } from "./stub.js";
import type { Pipelined, ResultOf, resultOf } from "./types.js";
import type { WaitingCall } from "./waiting-call.js";

/**
 * A call of the far side, on its way. It is a promise that need not be awaited: a failure that nobody looks at becomes
 * the event `call_failed`, never an unhandled rejection (D16).
 *
 * It rejects with a DuowireError, whose `outcome` says whether the call ran, or with a RemoteError, which is what the
 * far side's method threw.
 */
export interface RemoteCall<T> extends Promise<T>, ResultOf<T> {
  /**
   * The result before it is there (D17): `desk.open("a").result.read()` needs one round trip, not two. Functions and
   * objects can be called so; any result can be passed on, by this or by the call itself:
   * `desk.copy(desk.open("a"), desk.open("b"))`.
   *
   * If this call fails, those that need its result fail with the same error, and do not run. At most 1,024 calls may be
   * made until one that names its result; 64, and 1,024 octets of it, if it is data. `invalid_argument` says so.
   */
  readonly result: Pipelined<T>;
  /**
   * The items of the stream that the method returns: `for await (const part of remote.report("x"))`. Leaving the loop
   * early tells the far side to stop. Rejects `invalid_argument` if the method returns no stream.
   */
  [Symbol.asyncIterator](): AsyncIterator<
    T extends AsyncIterable<infer Item> | ReadableStream<infer Item> ? Item : never
  >;
  /** Cancels the call if it is not answered yet: `using call = remote.search(…)`. */
  [Symbol.dispose](): void;
}

/** What a call asks of whoever made it. */
export interface CallOwner {
  /** Whose stubs it makes calls of. */
  readonly references: unknown;
  call(target: CallTarget, method: string, args: readonly unknown[], options?: CallOptions): PendingCall;
  /** The caller does not want the answer any more. */
  abandon(call: PendingCall, code: "cancelled" | "deadline_exceeded", cause?: unknown): void;
  /** It was rejected before anybody looked. */
  unobserved(call: PendingCall): void;
}

const PENDING = 0;
const FULFILLED = 1;
const REJECTED = 2;

type Settle = (value: unknown) => void;

/** What stands behind {@link RemoteCall}. A promise is made only for who looks: most callbacks are never awaited. */
export class PendingCall implements RemoteCall<unknown> {
  declare readonly [resultOf]: unknown;
  /** 0 until the message is given to the session. */
  number = 0;
  /** The message's mark at the sink. */
  mark = 0;
  /** Whether somebody has asked for the outcome. */
  isObserved = false;
  /** Its message, while it waits. */
  waiting: WaitingCall | undefined;
  /** The calls whose results it names, and those that name its result. */
  needs: readonly PendingCall[] | undefined;
  dependents: Set<PendingCall> | undefined;
  /** What further calls of its result are made with. */
  options: CallOptions | undefined;
  /** Stubs that may not be released before the answer, besides the target. */
  pins: readonly { pins: number }[] | undefined;
  /** The streams among its arguments. */
  streams: readonly StreamLoan[] | undefined;
  /** What was made on behalf of the same call. */
  madeFor: Set<PendingCall> | undefined;
  /** Undoes what timeouts and signals hold. */
  cleanUp: (() => void) | undefined;
  /** Set while interceptors hold it: rejects for whoever looks, without waiting for them. */
  cut: Settle | undefined;
  /** What it returned, or threw. */
  value: unknown;
  private state = PENDING;
  private resultStub: object | undefined;
  private promise: Promise<unknown> | undefined;
  private resolvePromise: Settle | undefined;
  private rejectPromise: Settle | undefined;

  constructor(
    readonly owner: CallOwner,
    public target: CallTarget,
    readonly method: string,
  ) {}

  get result(): never {
    this.resultStub ??= makeResult(this);
    return this.resultStub as never;
  }

  get isSettled(): boolean {
    return this.state !== PENDING;
  }

  /** Why it was rejected. */
  get error(): unknown {
    return this.state === REJECTED ? this.value : undefined;
  }

  get [Symbol.toStringTag](): string {
    return "RemoteCall";
  }

  /** The answer came. */
  resolve(value: unknown): void {
    this.settle(FULFILLED, value, this.resolvePromise);
  }

  /** The call failed. */
  reject(error: unknown): void {
    this.settle(REJECTED, error, this.rejectPromise);
    this.cut?.(error);
    if (!this.isObserved) this.owner.unobserved(this);
  }

  /** What the far side answers, for interceptors: asking does not count as looking. Once only. */
  answer(): Promise<unknown> {
    return this.makePromise();
  }

  /**
   * From now on whoever looks sees `outcome`, or before it what ends the call while it `isHeld`. It is the call's own
   * as well, if that is not settled by then.
   */
  replaceOutcome(outcome: Promise<unknown>, isHeld: boolean): void {
    this.promise = isHeld ? Promise.race([outcome, new Promise((_resolve, cut) => (this.cut = cut))]) : outcome;
    this.promise.catch(() => {});
    outcome.then(
      (value) => this.isSettled || this.resolve(value),
      (error) => this.state === REJECTED || this.reject(error),
    );
  }

  // biome-ignore lint/suspicious/noThenProperty: a call is awaited, that is its purpose.
  then<A = unknown, B = never>(
    fulfilled?: ((value: unknown) => A | PromiseLike<A>) | null,
    rejected?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.observe().then(fulfilled, rejected);
  }

  catch<B = never>(rejected?: ((error: unknown) => B | PromiseLike<B>) | null): Promise<unknown> {
    return this.observe().catch(rejected);
  }

  finally(run?: (() => void) | null): Promise<unknown> {
    return this.observe().finally(run);
  }

  [Symbol.asyncIterator](): AsyncIterator<never> {
    return new ResultIterator(this) as AsyncIterator<never>;
  }

  [Symbol.dispose](): void {
    this.isObserved = true;
    this.owner.abandon(this, "cancelled");
  }

  private settle(state: number, value: unknown, settle: Settle | undefined): void {
    this.state = state;
    this.value = value;
    settle?.(value);
    this.cleanUp?.();
    this.madeFor?.delete(this);
    this.cleanUp = this.streams = this.resolvePromise = this.rejectPromise = undefined;
  }

  private observe(): Promise<unknown> {
    this.isObserved = true;
    this.promise ??= this.makePromise();
    return this.promise;
  }

  private makePromise(): Promise<unknown> {
    if (this.state === FULFILLED) return Promise.resolve(this.value);
    if (this.state === REJECTED) return Promise.reject(this.value);
    return new Promise((resolve, reject) => {
      this.resolvePromise = resolve;
      this.rejectPromise = reject;
    });
  }
}

/** Iterates what a call returns. */
class ResultIterator implements AsyncIterator<unknown> {
  private items: AsyncIterator<unknown> | undefined;

  constructor(private readonly call: PendingCall) {}

  async next(): Promise<IteratorResult<unknown>> {
    this.items ??= itemsOf(await this.call, this.call.method);
    return this.items.next();
  }

  async return(): Promise<IteratorResult<unknown>> {
    if (this.items) await this.items.return?.();
    else this.call[Symbol.dispose]();
    return { done: true, value: undefined };
  }
}

function itemsOf(result: unknown, method: string): AsyncIterator<unknown> {
  if (typeof result === "object" && result !== null) {
    if (Symbol.asyncIterator in result) return (result as AsyncIterable<unknown>)[Symbol.asyncIterator]();
    // Not every browser can iterate its own streams.
    if (result instanceof ReadableStream) return readerIterator(result.getReader());
  }
  throw localError("invalid_argument", `${method} returned no stream: await it instead`);
}

function readerIterator(reader: ReadableStreamDefaultReader<unknown>): AsyncIterator<unknown> {
  return {
    next: () => reader.read() as Promise<IteratorResult<unknown>>,
    return: async () => {
      await reader.cancel();
      return { done: true, value: undefined };
    },
  };
}
