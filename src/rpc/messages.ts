/**
 * The messages of calls, as octets. spec/rpc.md is the normative text; the numbers below are the wire and never change.
 */
import type { Clock } from "../base/clock.js";
import { DuowireError, type DuowireErrorOptions, type ErrorCode } from "../base/errors.js";
import { malformed } from "../base/messagepack.js";
import type { OctetReader, OctetWriter } from "../base/octets.js";
import type { CallSession, Interceptor } from "./interceptors.js";

/** The first two octets of each message: how many elements its array has, and its type. */
export const CALL = 0x9501;
/** A CALL with options. */
export const CALL_WITH_OPTIONS = 0x9601;
/** What a method returned. */
export const RESULT = 0x9302;
/** What a method threw, or why it was not called. */
export const FAILURE = 0x9303;
/** Asks to stop a call. */
export const CANCEL = 0x9204;
/** Gives back a reference. */
export const RELEASE = 0x9305;
/** Takes away a reference. */
export const REVOKE = 0x9206;
/** Lets a stream's sender send so many octets more. */
export const CREDIT = 0x9307;
/** An item of a stream. */
export const ITEM = 0x9308;
/** The end of a stream. */
export const END = 0x9209;
/** The end of a stream, by an error. */
export const BREAK = 0x930a;
/** The reader of a stream wants no more, or has taken all. */
export const STOP = 0x920b;
/** A STOP that says why. */
export const STOP_WITH_REASON = 0x930b;
/** Opens one direction of a channel. */
export const OPEN = 0x930c;

/** How many calls, and references, a side may use before it knows what the other takes. */
export const EARLY_MAX = 64;
/** The octets of a message that every receiver takes. */
export const MESSAGE_BYTES_LEAST = 66_560;
/** The most octets of a CANCEL, RELEASE, CREDIT or plain STOP. */
export const URGENT_BYTES_MAX = 20;

/** The most octets of an ITEM before its value. */
export const ITEM_HEAD_BYTES = 11;

/** Where messages go: the session's queue. */
export interface MessageSink {
  /** Where to write the next message; {@link commit} or {@link rollback} follows before anything else. */
  begin(): OctetWriter;
  /**
   * Queues what was written and returns its mark. Throws `message_too_large`, or with `bounded` `queue_full`; then
   * nothing was written.
   */
  commit(bounded: boolean): number;
  /** Forgets what was written. */
  rollback(): void;
  /** Whether the whole message with this mark was handed to a link; also after the end. */
  isHanded(mark: number): boolean;
  /** Whether so much waits that nothing should be started that makes more of it. */
  readonly isFull: boolean;
  /** Octets that wait. */
  readonly queuedBytes: number;
  /** How many may wait. */
  readonly queueBytesMax: number;
}

/** How much a side takes, as it announced. */
export interface CallLimits {
  /** Calls that may be open at this side at once. */
  readonly callsInFlightMax: number;
  /** The octets of one message. */
  readonly messageBytesMax: number;
  /** Functions and objects that this side takes as lent by the other. */
  readonly referencesMax: number;
}

/** What the library's owner is told. None of these may throw. */
export interface PeerEvents {
  /** A call failed and nobody looked (D16). */
  callFailed?(method: string, error: unknown): void;
  /** A method of this side threw, or returned what cannot be sent (D24). `error` is the original. */
  serviceError?(method: string, error: unknown): void;
  /** Calls that nobody awaits have filled the queue: the session is to be ended with this (D23). */
  slowConsumer?(reason: DuowireError): void;
  /** Four fifths of the references that the far side takes are lent (D22). */
  referencesHigh?(lent: number, referencesMax: number): void;
  /** A bug of ours, caught where nobody else would: the session is to be ended. */
  bug?(error: unknown): void;
}

/** What the parts of one peer share. */
export interface PeerContext {
  readonly sink: MessageSink;
  readonly clock: Clock;
  readonly events: PeerEvents;
  readonly limits: CallLimits;
  readonly stacks: boolean;
  /** What runs around each call, if anything. */
  readonly interceptors: readonly Interceptor[] | undefined;
  /** The session that calls travel over, for those who ask. */
  readonly session: (() => CallSession) | undefined;
  /** What a call fails with whose FAILURE carried this; undefined leaves it to the rules of spec/rpc.md, 2.3. */
  readonly readFailure: ((failure: unknown) => unknown) | undefined;
  /** Says that something was queued. */
  readonly wake: () => void;
  /** Why the session has ended, once it has. */
  ended: DuowireError | undefined;
}

/** A failure of this side's making. */
export function localError(code: ErrorCode, message?: string, options?: DuowireErrorOptions): DuowireError {
  return new DuowireError(code, message, { side: "local", ...options });
}

/** Writes an integer of 0 or more in its shortest form. */
export function writeNumber(writer: OctetWriter, value: number): void {
  if (value < 0x80) writer.u8(value);
  else if (value < 0x100) writer.u16(0xcc00 | value);
  else if (value < 0x1_0000) writer.u24(0xcd_0000 | value);
  else if (value < 0x1_0000_0000) {
    writer.u8(0xce);
    writer.u32(value);
  } else {
    writer.u8(0xcf);
    writer.u64(value);
  }
}

/** Writes a CANCEL. */
export function writeCancel(writer: OctetWriter, number: number): void {
  writer.u16(CANCEL);
  writeNumber(writer, number);
}

/** Writes an integer of either sign in its shortest form. */
export function writeTarget(writer: OctetWriter, value: number): void {
  if (value >= 0) writeNumber(writer, value);
  else if (value >= -0x20) writer.u8(0x100 + value);
  else if (value >= -0x80) writer.u16(0xd100 + value);
  else if (value >= -0x8000) writer.u24(0xd2_0000 + value);
  else if (value >= -0x8000_0000) {
    writer.u8(0xd2);
    writer.u32(value >>> 0);
  } else {
    writer.u8(0xd3);
    writer.u64(value);
  }
}

/** Reads an integer of 1 or more. */
export function readNumber(reader: OctetReader): number {
  return readUnsigned(reader, reader.u8()) || malformed("a number is 0");
}

/** Reads an integer of either sign. */
export function readTarget(reader: OctetReader): number {
  const head = reader.u8();
  if (head >= 0xe0) return head - 0x100;
  if (head === 0xd0) return reader.i8();
  if (head === 0xd1) return reader.i16();
  if (head === 0xd2) return reader.i32();
  const value = head === 0xd3 ? Number(reader.i64()) : readUnsigned(reader, head);
  return Number.isSafeInteger(value) ? value : malformed("a number beyond 2^53 - 1");
}

function readUnsigned(reader: OctetReader, head: number): number {
  if (head < 0x80) return head;
  if (head === 0xcc) return reader.u8();
  if (head === 0xcd) return reader.u16();
  if (head === 0xce) return reader.u32();
  return head === 0xcf ? reader.u64() : malformed("no number where one belongs");
}

/** Reads a text. */
export function readName(reader: OctetReader): string {
  const head = reader.u8();
  if (head >> 5 === 5) return reader.utf8(head & 31);
  if (head === 0xd9) return reader.utf8(reader.u8());
  if (head === 0xda) return reader.utf8(reader.u16());
  return head === 0xdb ? reader.utf8(reader.u32()) : malformed("no name where one belongs");
}
