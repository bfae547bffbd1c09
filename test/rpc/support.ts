/**
 * Two peers without a session between them: sinks that count as the session's queue does, batches that are handed over
 * by hand, and a clock that only a test moves.
 */
import type { CancelTimer, Clock } from "../../src/base/clock.js";
import { DuowireError } from "../../src/base/errors.js";
import { OctetWriter } from "../../src/base/octets.js";
import type { CallLimits, MessageSink, PeerEvents } from "../../src/rpc/messages.js";
import { RpcPeer, type RpcPeerOptions } from "../../src/rpc/peer.js";
import type { Remote } from "../../src/rpc/types.js";

/** Time that moves when it is told to. */
export class VirtualClock implements Clock {
  now = 1_000;
  private timers: { at: number; run: () => void }[] = [];
  private ends: (() => void)[] = [];

  monotonicMs(): number {
    return this.now;
  }

  wallMs(): number {
    return this.now;
  }

  get timerCount(): number {
    return this.timers.length;
  }

  after(ms: number, run: () => void): CancelTimer {
    const timer = { at: this.now + ms, run };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((one) => one !== timer);
    };
  }

  atTurnEnd(run: () => void): void {
    this.ends.push(run);
  }

  endTurn(): void {
    for (const run of this.ends.splice(0)) run();
  }

  advance(ms: number): void {
    this.now += ms;
    for (;;) {
      const due = this.timers.filter((timer) => timer.at <= this.now).sort((a, b) => a.at - b.at)[0];
      if (!due) return;
      this.timers = this.timers.filter((one) => one !== due);
      due.run();
    }
  }
}

/** A message as it was committed. */
export interface Sent {
  readonly octets: Uint8Array;
  readonly mark: number;
}

/** A queue of messages, each of which a test hands over when it likes. */
export class MemorySink implements MessageSink {
  readonly messages: Sent[] = [];
  queuedBytes = 0;
  queueBytesMax = 1_048_576;
  messageBytesMax = 4_194_304;
  private readonly writer = new OctetWriter();
  private lastMark = 0;
  private readonly unhanded = new Set<number>();
  private isBegun = false;

  get isFull(): boolean {
    return this.queuedBytes >= this.queueBytesMax;
  }

  begin(): OctetWriter {
    if (this.isBegun) throw new Error("a message is begun inside another one");
    this.isBegun = true;
    return this.writer;
  }

  commit(bounded: boolean): number {
    const size = this.writer.length;
    this.isBegun = false;
    const octets = this.writer.take();
    if (size > this.messageBytesMax) throw refused("message_too_large");
    if (bounded && this.queuedBytes + size > this.queueBytesMax) throw refused("queue_full");
    this.queuedBytes += size;
    this.messages.push({ octets, mark: ++this.lastMark });
    this.unhanded.add(this.lastMark);
    return this.lastMark;
  }

  rollback(): void {
    this.isBegun = false;
    this.writer.clear();
  }

  isHanded(mark: number): boolean {
    return !this.unhanded.has(mark);
  }

  /** Takes the message at `index` out of the queue: it has left. */
  hand(index = 0): Uint8Array {
    const [sent] = this.messages.splice(index, 1) as [Sent];
    this.unhanded.delete(sent.mark);
    this.queuedBytes -= sent.octets.length;
    return sent.octets;
  }
}

function refused(code: "queue_full" | "message_too_large"): DuowireError {
  return new DuowireError(code, undefined, { side: "local", outcome: "not_sent" });
}

/** What one side's owner was told. */
export interface Told {
  readonly callFailed: { method: string; error: unknown }[];
  readonly serviceErrors: { method: string; error: unknown }[];
  readonly slow: DuowireError[];
  readonly high: { lent: number; referencesMax: number }[];
  readonly bugs: unknown[];
}

/** The limits of both sides unless a test says otherwise. */
export const limits: CallLimits = { callsInFlightMax: 1_024, messageBytesMax: 4_194_304, referencesMax: 10_000 };

/** One side. */
export class Side {
  readonly sink = new MemorySink();
  readonly told: Told = { callFailed: [], serviceErrors: [], slow: [], high: [], bugs: [] };
  readonly peer: RpcPeer;
  readonly limits: CallLimits;
  wakes = 0;
  private readonly startedAt: number;

  constructor(
    readonly clock: VirtualClock,
    root?: object,
    options: Partial<RpcPeerOptions> = {},
  ) {
    const { told } = this;
    const events: PeerEvents = {
      callFailed: (method, error) => told.callFailed.push({ method, error }),
      serviceError: (method, error) => told.serviceErrors.push({ method, error }),
      slowConsumer: (reason) => told.slow.push(reason),
      referencesHigh: (lent, referencesMax) => told.high.push({ lent, referencesMax }),
      bug: (error) => told.bugs.push(error),
    };
    this.limits = { ...limits, ...options.limits };
    this.startedAt = clock.now;
    this.peer = new RpcPeer({
      sink: this.sink,
      clock,
      wake: () => {
        this.wakes++;
      },
      root,
      events,
      ...options,
      limits: this.limits,
    });
  }

  get sessionMs(): number {
    return this.clock.now - this.startedAt;
  }

  remote<T>(): Remote<T> {
    return this.peer.remote as Remote<T>;
  }
}

/** Two sides, and what travels between them. */
export class Pair<A = unknown, B = unknown> {
  readonly clock = new VirtualClock();
  readonly a: Side;
  readonly b: Side;

  constructor(
    rootA?: object,
    rootB?: object,
    optionsA: Partial<RpcPeerOptions> = {},
    optionsB: Partial<RpcPeerOptions> = {},
    knowLimits = true,
  ) {
    this.a = new Side(this.clock, rootA, optionsA);
    this.b = new Side(this.clock, rootB, optionsB);
    if (knowLimits) this.exchangeLimits();
  }

  exchangeLimits(): void {
    this.a.peer.setLimits(this.b.limits);
    this.b.peer.setLimits(this.a.limits);
  }

  /** The far root as `a` sees it, and as `b` does. */
  get remoteB(): Remote<B> {
    return this.a.remote<B>();
  }

  get remoteA(): Remote<A> {
    return this.b.remote<A>();
  }

  /** Everything that `from` has to say travels, urgent first. Returns whether there was anything. */
  travel(from: Side, to: Side): boolean {
    const urgent = from.peer.urgent(16_384);
    if (urgent) to.peer.receive(urgent, from.sessionMs);
    const batch: Uint8Array[] = [];
    while (from.sink.messages.length > 0) batch.push(from.sink.hand());
    if (batch.length > 0) to.peer.receive(Buffer.concat(batch), from.sessionMs);
    return urgent !== undefined || batch.length > 0;
  }

  /** Turns of both sides until nothing moves any more. */
  async settle(): Promise<void> {
    for (let idle = 0; idle < 2; ) {
      const moved = [this.travel(this.a, this.b), this.travel(this.b, this.a)].includes(true);
      await turn();
      this.clock.endTurn();
      idle = moved ? 0 : idle + 1;
    }
  }

  /** Lets everything travel and returns what the call came to. */
  async answer<T>(call: PromiseLike<T>): Promise<T> {
    const result = Promise.resolve(call);
    result.catch(() => {});
    await this.settle();
    return result;
  }

  /** Likewise, for a call that must fail. */
  async failure(call: PromiseLike<unknown>): Promise<DuowireError> {
    const error = this.answer(call).then(
      (value) => Promise.reject(new Error(`it did not fail, but returned ${String(value)}`)),
      (reason: unknown) => reason,
    );
    return (await error) as DuowireError;
  }
}

/** All promise jobs that are due run. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Octets from hexadecimal digits, blanks allowed. */
export function octets(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"));
}

/** Hexadecimal digits of octets. */
export function hex(of: Uint8Array): string {
  return Buffer.from(of).toString("hex");
}
