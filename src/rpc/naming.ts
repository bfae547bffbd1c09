/**
 * Calls that name the results of earlier ones, at their caller: how they are written, and what becomes of them when an
 * earlier one fails. spec/rpc.md, section 4.4.
 */
import { DuowireError } from "../base/errors.js";
import { OctetReader, type OctetWriter } from "../base/octets.js";
import { decodeValue, type ReferenceOwner } from "./codec.js";
import { localError, type MessageSink } from "./messages.js";
import { LENT_REACH } from "./pipelining.js";
import { REF_RESULT, type Reference } from "./reference.js";
import type { References } from "./references.js";
import { type CallOwner, PendingCall } from "./remote-call.js";
import { callOfResult } from "./result-stub.js";
import { StubTarget, stubTargetOf } from "./stub.js";

/** What a call is made of: the root without one. */
export type CallTarget = StubTarget | PendingCall | undefined;

/** Stands for the number of a call that has none yet: written in eight octets, like every number that replaces it. */
const NO_NUMBER = Number.MAX_SAFE_INTEGER;
const NUMBER_BYTES = 8;
/** The first two bits of a varint of eight octets. */
const EIGHT_OCTETS = 3n << 62n;

/** Writes arguments, which may name calls of `owner`. */
export class ArgumentWriter implements ReferenceOwner {
  private named: PendingCall[] | undefined;

  constructor(
    private readonly references: References,
    private readonly owner: CallOwner,
  ) {}

  get stacks(): boolean {
    return this.references.stacks;
  }

  send(value: object): Reference | undefined {
    if (value instanceof AbortSignal) return this.references.sendSignal(value);
    const call = callOf(value);
    if (!call) return this.references.send(value);
    const target = targetOf(call, this.owner);
    if (target instanceof StubTarget) return this.references.send(call.value as object);
    this.named ??= [];
    this.named.push(call);
    return { type: REF_RESULT, number: call.number || NO_NUMBER };
  }

  receive(): never {
    throw localError("internal_error");
  }

  /** The calls that the arguments name which were just written, in order. */
  taken(): PendingCall[] | undefined {
    const { named } = this;
    this.named = undefined;
    return named;
  }
}

/** The call that `value` is, or whose result it is. */
export function callOf(value: unknown): PendingCall | undefined {
  if (!isObject(value)) return undefined;
  if (value instanceof PendingCall) return value;
  return typeof value === "function" ? callOfResult(value) : undefined;
}

/**
 * What is called when the result of `call` is: its stub if it is there, else the call, to be named. Throws
 * `invalid_argument` for a call of another session, and for one that failed.
 */
export function targetOf(call: PendingCall, owner: CallOwner): StubTarget | PendingCall {
  if (call.owner !== owner) throw localError("invalid_argument", "it is a call of another session: await it");
  const { error: cause } = call;
  if (cause !== undefined) {
    throw localError("invalid_argument", `it is the result of ${call.method}, which failed`, { cause });
  }
  if (call.number === 0 && !call.waiting) {
    throw localError("invalid_argument", `${call.method} is held by an interceptor, so its result cannot be named yet`);
  }
  call.isObserved = true;
  const target = call.isSettled && isObject(call.value) ? stubTargetOf(call.value) : undefined;
  return target && target.references === owner.references ? target : call;
}

/** The first call among a target and arguments that has failed: what needs its result fails with the same error. */
export function failedOf(to: CallTarget, args: readonly unknown[]): PendingCall | undefined {
  if (to instanceof PendingCall && hasFailed(to)) return to;
  for (const one of args) {
    const call = callOf(one);
    if (call && hasFailed(call)) return call;
  }
  return undefined;
}

function hasFailed(call: PendingCall): boolean {
  if (call.error === undefined) return false;
  call.isObserved = true;
  return true;
}

/** Arguments with results that are there in the place of their calls. Others are named. */
export function withResults(args: readonly unknown[]): readonly unknown[] {
  for (const one of args) if (callOf(one)?.isSettled) return args.map(resultOrSelf);
  return args;
}

function resultOrSelf(value: unknown): unknown {
  const call = callOf(value);
  return call?.isSettled ? call.value : value;
}

/** `call` depends on what it names from now on. */
export function link(call: PendingCall, named: readonly PendingCall[] | undefined): void {
  if (!named) return;
  call.needs = named;
  for (const one of named) {
    one.dependents ??= new Set();
    one.dependents.add(call);
  }
}

/** `call` is answered, or was never sent: it depends on nothing any more. */
export function unlink(call: PendingCall): void {
  for (const one of call.needs ?? []) one.dependents?.delete(call);
  call.needs = undefined;
}

/**
 * The result of `call` is here. If it is a stub, it is not released before the calls that name it are answered: those
 * that the far side has not started yet would find nothing.
 */
export function pinFor(call: PendingCall, value: unknown): void {
  if (!call.dependents || !isObject(value)) return;
  const held = stubTargetOf(value)?.held;
  if (!held) return;
  for (const dependent of call.dependents) {
    held.pins++;
    dependent.pins = [...(dependent.pins ?? []), held];
  }
}

/** Throws `invalid_argument`, and forgets the message, if `call` as `number` is too far from one that it names. */
export function checkReach(sink: MessageSink, call: PendingCall, number: number): void {
  const far = call.needs?.find((one) => number - one.number > LENT_REACH);
  if (!far) return;
  sink.rollback();
  const message = `${LENT_REACH} calls were made since ${far.method}: await its result`;
  throw localError("invalid_argument", message, { outcome: "not_sent" });
}

/** How a target is named in a CALL: the root is 0, a stub its reference, a result minus its call's number. */
export function numberOf(target: CallTarget): number {
  if (target === undefined) return 0;
  return target instanceof PendingCall ? -target.number : target.held.number;
}

/** A place in a message where the number of a call belongs that had none when it was written. */
export type Gap = readonly [offset: number, of: PendingCall];

/** The gaps in the body of a call, whose arguments begin at `at` and name `late` without their numbers. */
export function gapsIn(body: Uint8Array, at: number, late: readonly PendingCall[]): readonly Gap[] {
  if (late.length === 0) return [];
  const gaps: Gap[] = [];
  const reader = new OctetReader(body, at);
  const note = (type: number, number: number) => {
    const of = type === REF_RESULT && number === NO_NUMBER ? late[gaps.length] : undefined;
    if (of) gaps.push([reader.offset - NUMBER_BYTES, of]);
  };
  try {
    decodeValue({ stacks: false, send: () => undefined, receive: note }, reader);
  } catch (error) {
    // Refused, such as a Set of two results, both of which are nothing here: it was read to its end all the same.
    if (!(error instanceof DuowireError)) throw error;
  }
  return gaps;
}

/** Writes the numbers into a body that begins at `start`: all calls before it have one now. */
export function fillGaps(writer: OctetWriter, start: number, gaps: readonly Gap[]): void {
  const view = new DataView(writer.buffer.buffer);
  for (const [offset, { number }] of gaps) view.setBigUint64(start + offset, EIGHT_OCTETS | BigInt(number));
}

function isObject(value: unknown): value is object {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}
