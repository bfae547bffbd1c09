/**
 * Results that calls name before their caller has them: what a callee keeps of them, and which calls wait for them.
 * spec/rpc.md, section 4.4.
 */
import { malformed } from "../base/messagepack.js";
import { OctetReader, OctetWriter } from "../base/octets.js";
import { decodeValue, encodeValue, type ReferenceOwner } from "./codec.js";
import { localError } from "./messages.js";
import { REF_HOME, REF_RESULT, REF_SIGNAL, type Reference, type ReferenceType } from "./reference.js";
import type { References } from "./references.js";
import { Target } from "./service.js";
import { type IncomingSignal, SIGNALS_MAX } from "./signals.js";
import { stubTargetOf } from "./stub.js";

/** How many calls after it may name the result of a call that is a function or a Target. */
export const LENT_REACH = 1_024;
/** Likewise for any other result. */
export const DATA_REACH = 64;
/** Octets of a RESULT message; what is longer cannot be named, but for a function or a Target. */
export const NAMED_BYTES_MAX = 1_024;
/** How many results one call may name in its arguments. */
export const NAMED_MAX = 64;

/** A call that may wait for results. */
export interface Dependent {
  readonly number: number;
  readonly target: number;
  /** The calls whose results its arguments name. */
  named: Map<number, Named> | undefined;
  /** The signals that they hold. */
  signals: IncomingSignal[] | undefined;
  /** How many of those results it still waits for. */
  left: number;
}

/** Stands in arguments where a result belongs. */
export class Named {
  value: unknown;
}

/** Reads arguments, in which results may be named. */
export class ArgumentReader implements ReferenceOwner {
  private caller = 0;
  private named: Map<number, Named> | undefined;
  private signals: IncomingSignal[] | undefined;

  constructor(private readonly references: References) {}

  get stacks(): boolean {
    return this.references.stacks;
  }

  /** Reads the arguments of the call with this number. Throws as {@link decodeValue} does. */
  read(reader: OctetReader, call: Dependent): unknown {
    this.caller = call.number;
    this.named = this.signals = undefined;
    try {
      return decodeValue(this, reader);
    } finally {
      call.named = this.named;
      call.signals = this.signals;
    }
  }

  send(value: object): Reference | undefined {
    return this.references.send(value);
  }

  receive(type: ReferenceType, number: number, kind: number): unknown {
    if (type === REF_SIGNAL) return this.signal(number, kind === 1);
    if (type !== REF_RESULT) return this.references.receive(type, number, kind);
    if (number === 0 || number >= this.caller) malformed("a result of a call that does not come before");
    this.named ??= new Map();
    let one = this.named.get(number);
    if (!one) {
      if (this.named.size === NAMED_MAX) throw localError("invalid_argument", `more than ${NAMED_MAX} results`);
      one = new Named();
      this.named.set(number, one);
    }
    return one;
  }

  private signal(number: number, isAborted: boolean): AbortSignal {
    const signal = this.references.receiveSignal(number);
    this.signals ??= [];
    this.signals.push(signal);
    const used = signal.use(isAborted);
    if (this.signals.length > SIGNALS_MAX) throw localError("invalid_argument", `more than ${SIGNALS_MAX} signals`);
    return used;
  }
}

/** The results of one peer's methods, as far as further calls may name them. */
export class Results<Call extends Dependent> {
  /** Calls that have what they waited for, in order. */
  readonly ready: Call[] = [];
  /** The numbers under which results were lent, by call. */
  private lent: Map<number, number> | undefined;
  /** Data, by call modulo {@link DATA_REACH}: a later result takes the place of one that is out of reach. */
  private readonly numbers: number[] = [];
  private readonly values: (() => unknown)[] = [];
  private waiters: Map<number, Set<Call>> | undefined;

  constructor(private readonly references: References) {}

  /**
   * A call was answered; `bytes` is the size of a RESULT, 0 for a FAILURE, and `written` what {@link written} took of
   * it. Calls that waited for it become ready.
   */
  answered(number: number, next: number, value: unknown, bytes: number, written?: Uint8Array): void {
    if (bytes > 0) this.keep(number, next, value, bytes, written);
    const waiters = this.waiters?.get(number);
    if (!waiters) return;
    this.waiters?.delete(number);
    for (const call of waiters) if (--call.left === 0) this.ready.push(call);
  }

  /** Takes a result from the message that is being written, if it is short, and data without references. */
  written(value: unknown, writer: OctetWriter, at: number): Uint8Array | undefined {
    if (typeof value !== "object" || writer.length - at > NAMED_BYTES_MAX) return undefined;
    return this.references.isNaming ? undefined : writer.copy(at);
  }

  /** The turn of `number` has come: what only calls before it may name is forgotten. */
  turn(number: number): void {
    this.lent?.delete(number - LENT_REACH - 1);
  }

  /** Whether `call` must wait for any of `running`; then it does. */
  mustWait(call: Call, running: ReadonlyMap<number, unknown>): boolean {
    if (call.target >= 0 && !call.named) return false;
    for (const number of needsOf(call)) {
      if (!running.has(number)) continue;
      this.waiters ??= new Map();
      const waiters = this.waiters.get(number) ?? new Set();
      this.waiters.set(number, waiters.add(call));
      call.left++;
    }
    return call.left > 0;
  }

  /** A call that waits is not to wait any longer. */
  giveUp(call: Call): void {
    if (call.left === 0) return;
    for (const number of needsOf(call)) {
      const waiters = this.waiters?.get(number);
      if (waiters?.delete(call) && waiters.size === 0) this.waiters?.delete(number);
    }
    call.left = 0;
    this.ready.push(call);
  }

  /** What the target `-number` of `call` is. Throws `invalid_argument` or `reference_released`. */
  target(call: Call): object {
    const value = this.valueOf(-call.target, call.number);
    if (isReference(value)) return value;
    throw localError("invalid_argument", `the result of call ${-call.target} is data, which has no methods`);
  }

  /** The arguments with the results that they name. Throws as {@link target} does. */
  fill(call: Call, args: unknown[]): unknown[] {
    if (!call.named) return args;
    for (const [number, one] of call.named) one.value = this.valueOf(number, call.number);
    return filled(args) as unknown[];
  }

  /** Forgets everything. */
  end(): void {
    this.ready.length = this.numbers.length = this.values.length = 0;
    this.lent = this.waiters = undefined;
  }

  private keep(number: number, next: number, value: unknown, bytes: number, written: Uint8Array | undefined): void {
    const reference = this.references.numberOf(value);
    if (reference !== undefined) {
      if (number + LENT_REACH < next) return;
      this.lent ??= new Map();
      this.lent.set(number, reference);
    } else if (bytes <= NAMED_BYTES_MAX) {
      const place = number % DATA_REACH;
      if (number < (this.numbers[place] ?? 0)) return;
      this.values[place] = written ? () => decodeValue(ownReferences([]), new OctetReader(written)) : copierOf(value);
      this.numbers[place] = number;
    }
  }

  private valueOf(number: number, by: number): unknown {
    const reference = this.lent?.get(number);
    if (reference !== undefined && by - number <= LENT_REACH) return this.references.lentValue(reference);
    const place = number % DATA_REACH;
    if (this.numbers[place] === number && by - number <= DATA_REACH) return this.values[place]?.();
    const data = `data of more than ${NAMED_BYTES_MAX} octets or ${DATA_REACH} calls ago`;
    const why = `it failed, holds a stream, or is ${data}`;
    throw localError("invalid_argument", `the result of call ${number} is not there (${why}): await it and pass it on`);
  }
}

function needsOf({ target, named }: Dependent): Iterable<number> {
  const numbers = new Set(named?.keys());
  return target < 0 ? numbers.add(-target) : numbers;
}

function isReference(value: unknown): value is object {
  if (typeof value === "function" || value instanceof Target) return true;
  return typeof value === "object" && value !== null && stubTargetOf(value) !== undefined;
}

/**
 * Copies `value` as it is now, as if it had crossed: what one method returned and another one gets share nothing but
 * references. What cannot be read a second time fails where it is named.
 */
function copierOf(value: unknown): () => unknown {
  if (typeof value !== "object" || value === null) return () => value;
  const owner = ownReferences([]);
  const writer = new OctetWriter();
  try {
    encodeValue(owner, writer, value, "result");
  } catch (error) {
    return () => {
      throw error;
    };
  }
  const octets = writer.take();
  return () => decodeValue(owner, new OctetReader(octets));
}

/** References that cross nothing. A Blob never changes: it is passed on as it is. */
function ownReferences(references: object[]): ReferenceOwner {
  return {
    stacks: true,
    send: (one) =>
      one instanceof Blob || isReference(one) ? { type: REF_HOME, number: references.push(one) } : undefined,
    receive: (_type, number) => references[number - 1],
  };
}

/** `value` with results in the place of what stands for them. */
function filled(value: unknown): unknown {
  if (value instanceof Named) return value.value;
  if (Array.isArray(value)) for (const [index, one] of value.entries()) value[index] = filled(one);
  else if (value instanceof Map) {
    const entries = [...value];
    value.clear();
    for (const [key, one] of entries) value.set(filled(key), filled(one));
  } else if (value instanceof Set) {
    const values = [...value];
    value.clear();
    for (const one of values) value.add(filled(one));
  } else if (isRecord(value)) for (const [key, one] of Object.entries(value)) value[key] = filled(one);
  return value;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
