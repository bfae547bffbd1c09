/**
 * What may cross the wire in calls: plain data, the kinds of JavaScript that have an extension type of their own, and
 * references. spec/values.md is the normative text; the numbers below are the wire and never change.
 */
import { DuowireError } from "../base/errors.js";
import { COUNT_MAX, Decoder, Encoder, malformed, OCTETS_COUNT, writeExtensionHead } from "../base/messagepack.js";
import { type OctetReader, type OctetWriter, varintLength } from "../base/octets.js";
import { describeBlob, type Hole, makeBlob } from "./blobs.js";
import { entriesOf, makeError } from "./error-classes.js";
import { REF_LENT, type Reference, type ReferenceType, referenceKinds } from "./reference.js";
import { type ErrorFields, safeName } from "./remote-error.js";
import { readTimestamp, TIMESTAMP, writeTimestamp } from "./timestamps.js";
import { viewConstructors } from "./view-constructors.js";

const UNDEFINED = 0x00;
const BIGINT = 0x01;
const MAP = 0x02;
const SET = 0x03;
const REGEXP = 0x04;
const URL_TEXT = 0x05;
const TYPED_ARRAY = 0x06;
const ARRAY_BUFFER = 0x07;
const ERROR = 0x08;
const BLOB = 0x09;

/** The largest magnitude of a bigint. */
export const BIGINT_BYTES_MAX = 4096;
/** The longest source of a regular expression, in UTF-16 units. */
export const REGEXP_CHARS_MAX = 4096;
/** How many errors may be inside each other; those further in are left out. */
export const ERRORS_DEPTH_MAX = 16;
/** What an extension counts towards COUNT_MAX besides its body, but for undefined, dates and bigints. */
export const EXTENSION_COUNT = 16;
/** What an error counts on top of that: each captures a stack here. */
export const ERROR_COUNT = 64;
/** What a Blob counts on top of that: to make a File takes a platform some 25 us. */
export const BLOB_COUNT = 112;

/** What an encoder asks its owner. */
export interface EncodeHooks {
  /**
   * Asked for each function and each object that is no data; undefined: it cannot cross. When the whole value fails
   * after this has answered, nothing was sent, and the owner takes those references back.
   */
  reference?(value: object): Reference | undefined;
  /** Whether the stacks of errors cross. They tell an attacker what runs here: false unless set. */
  readonly stacks?: boolean;
}

/** What a decoder asks its owner. */
export interface DecodeHooks {
  /**
   * Makes what stands for a reference, also inside a value that turns out to be refused: whoever took a reference
   * gives it back. A DuowireError that it throws refuses the value.
   */
  reference?(type: ReferenceType, number: number, kind: number): unknown;
}

/** Writes the values of calls. */
export class ValueEncoder extends Encoder {
  /** Whether Blobs may be written: without their octets, which belong into {@link holes}. */
  takesBlobs = false;
  holes: Hole[] | undefined;
  /** The errors that are being written, each inside the one before. */
  private readonly errors: object[] = [];
  /** What was spent on what is left out of errors. */
  private wasted = 0;

  constructor(private readonly hooks: EncodeHooks = {}) {
    super();
  }

  override encode(writer: OctetWriter, value: unknown, root?: string): void {
    this.wasted = 0;
    super.encode(writer, value, root);
  }

  protected override extend(value: unknown): void {
    if (value === undefined) writeExtensionHead(this.writer, UNDEFINED, 0);
    else if (typeof value === "bigint") this.bigint(value);
    else if (typeof value === "symbol") this.refuse("it is a symbol");
    else if (typeof value === "function") this.reference(value);
    else if (ArrayBuffer.isView(value)) this.view(value);
    else if (value instanceof Error) this.wrap(ERROR, value);
    else this.object(value as object);
  }

  /** Known by their prototypes, so an instance of a subclass is not taken for what it extends. */
  private object(value: object): void {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Date.prototype) this.date((value as Date).getTime());
    else if (prototype === Map.prototype) this.wrap(MAP, [...(value as Map<unknown, unknown>)].flat());
    else if (prototype === Set.prototype) this.wrap(SET, [...(value as Set<unknown>)]);
    else if (prototype === URL.prototype) this.wrap(URL_TEXT, (value as URL).href);
    else if (prototype === ArrayBuffer.prototype) this.octets(ARRAY_BUFFER, new Uint8Array(value as ArrayBuffer), 0);
    else if (prototype === RegExp.prototype) {
      const { source, flags } = value as RegExp;
      if (source.length > REGEXP_CHARS_MAX) this.refuse(`it has more than ${REGEXP_CHARS_MAX} characters`);
      this.wrap(REGEXP, [source, flags]);
    } else if (value instanceof Blob && this.takesBlobs && !this.errors.length) this.wrap(BLOB, value);
    else this.reference(value);
  }

  private reference(value: object): void {
    // An error tells and does not lend, so what is left out of it never leaves a reference behind.
    const reference = this.errors.length ? undefined : this.hooks.reference?.(value);
    if (!reference) {
      if (typeof value === "function") this.refuse("it is a function, and none may be here");
      this.refuse(`it is an instance of ${safeName(value.constructor?.name)}: ${remedyFor(value)}`);
    }
    const { type, number, kind = 0 } = reference;
    const hasKind = referenceKinds[type - REF_LENT] ? 1 : 0;
    this.head(type, varintLength(number) + hasKind);
    this.writer.varint(number);
    if (hasKind) this.writer.u8(kind);
  }

  /** Begins an extension that counts. */
  private head(type: number, length: number): void {
    this.charge(EXTENSION_COUNT);
    writeExtensionHead(this.writer, type, length);
  }

  /** An extension whose body begins with a value: its head is written behind it and brought before it. */
  private wrap(type: number, value: unknown): void {
    const { writer } = this;
    const start = writer.length;
    if (type === ERROR) this.fields(value as ErrorFields);
    else if (type === BLOB) this.blob(value as Blob);
    else this.write(value);
    const end = writer.length;
    const inside = this.holes?.slice(this.holes.findLastIndex(({ at }) => at <= start) + 1) ?? [];
    this.head(
      type,
      inside.reduce((sum, { bytes }) => sum + bytes, end - start),
    );
    const head = writer.copy(end);
    writer.buffer.copyWithin(start + head.length, start, end);
    writer.buffer.set(head, start);
    for (const hole of inside) hole.at += head.length;
  }

  private blob(blob: Blob): void {
    this.charge(BLOB_COUNT);
    this.write(describeBlob(blob));
    this.holes ??= [];
    this.holes.push({ at: this.writer.length, blob, bytes: blob.size });
  }

  private date(ms: number): void {
    if (Number.isNaN(ms)) this.refuse("it is an invalid Date");
    writeTimestamp(this.writer, ms);
  }

  private bigint(value: bigint): void {
    const { writer } = this;
    let hex = value.toString(16).replace("-", "");
    if (hex.length % 2) hex = `0${hex}`;
    const length = value ? hex.length / 2 : 0;
    this.charge(OCTETS_COUNT);
    if (length > BIGINT_BYTES_MAX) this.refuse(`it has more than ${BIGINT_BYTES_MAX} octets`);
    writeExtensionHead(writer, BIGINT, 1 + length);
    writer.u8(value < 0 ? 1 : 0);
    for (let i = 0; i < length; i++) writer.u8(Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16));
  }

  private view(view: ArrayBufferView): void {
    const kind = 1 + viewConstructors.findIndex((kind) => view instanceof kind);
    if (!kind) this.refuse("it is an unknown kind of typed array");
    this.octets(TYPED_ARRAY, view, kind);
  }

  private octets(type: number, view: ArrayBufferView, kind: number): void {
    const octets = this.octetsOf(view);
    this.head(type, octets.length + (kind ? 1 : 0));
    if (kind) this.writer.u8(kind);
    this.writer.octets(octets);
  }

  /** Sends of an error what can cross and leaves out the rest: an answer that says less is better than none. */
  private fields(error: ErrorFields): void {
    const { errors } = this;
    if (errors.length === ERRORS_DEPTH_MAX) this.refuse(`it is more than ${ERRORS_DEPTH_MAX} errors deep`);
    if (errors.includes(error)) this.refuse("it is inside itself");
    this.charge(ERROR_COUNT);
    errors.push(error);
    try {
      this.sendable(entriesOf(error, this.hooks.stacks), "fields");
    } finally {
      errors.pop();
    }
  }

  /**
   * A map of at most 15 entries without those whose values cannot cross; likewise the one that is `inside` of it. What
   * was tried counts for nothing, but only so much is tried: what errors share is tried again in each of them.
   */
  private sendable(entries: readonly (readonly [string, unknown])[], inside?: string): void {
    const { writer, depth } = this;
    const { length } = writer;
    this.enter(2 * entries.length);
    let count = 0x80;
    writer.u8(count);
    for (const [key, value] of entries) {
      const { length } = writer;
      const { left } = this;
      this.path[depth] = key;
      try {
        if (this.wasted > COUNT_MAX) this.refuse("too much was left out before it");
        this.write(key);
        if (key === inside) this.sendable(Object.entries(value as object));
        else this.write(value);
        count++;
      } catch {
        writer.length = length;
        this.wasted += left - this.left;
        this.left = left;
        this.depth = depth + 1;
      }
    }
    this.depth = depth;
    writer.buffer[length] = count;
  }
}

/**
 * Reads the values of calls. What is well formed and refused (a {@link DuowireError}) is read to its end first, so that
 * the reader stands at the next value; octets that no encoder makes throw MalformedOctets at once.
 */
export class ValueDecoder extends Decoder {
  private refusal: DuowireError | undefined;
  private errors = 0;

  constructor(private readonly hooks: DecodeHooks = {}) {
    super();
  }

  override decode(reader: OctetReader): unknown {
    this.refusal = undefined;
    this.errors = 0;
    const value = super.decode(reader);
    if (this.refusal) throw this.refusal;
    return value;
  }

  /** Notes that the whole value is refused; reading goes on. The first reason counts. */
  protected override refuse(what: string): undefined {
    this.refusal ??= new DuowireError("invalid_argument", `refused what was sent: ${what}`, { side: "remote" });
  }

  protected override extension(type: number, length: number): unknown {
    if (type > BIGINT) this.charge(EXTENSION_COUNT);
    switch (type) {
      case TIMESTAMP:
        return readTimestamp(this.reader, length) ?? this.refuse("a time that no Date holds");
      case UNDEFINED:
        return undefined;
      case BIGINT:
        return this.bigint(length);
      case MAP:
        return this.pairs();
      case SET:
        return this.set();
      case REGEXP:
        return this.regexp();
      case URL_TEXT: {
        const url = text(this.read());
        return this.make(() => new URL(url));
      }
      case TYPED_ARRAY:
        return this.view(length);
      case ARRAY_BUFFER:
        return this.octets(length).buffer;
      case ERROR:
        return this.error();
      case BLOB:
        return this.blob(this.reader.offset + length);
    }
    return referenceKinds[type - REF_LENT] === undefined
      ? super.extension(type, length)
      : this.reference(type as ReferenceType, length);
  }

  private reference(type: ReferenceType, length: number): unknown {
    const { reader, hooks } = this;
    const end = reader.offset + length;
    const number = reader.varint();
    const kinds = referenceKinds[type - REF_LENT] as number;
    const kind = kinds && reader.u8();
    if (reader.offset !== end) malformed("a reference of another length");
    if (kind && kind >= kinds) return this.refuse(`a reference of kind ${kind}`);
    try {
      const value = hooks.reference ? hooks.reference(type, number, kind) : this.refuse("a reference");
      return this.errors ? this.refuse("a reference inside an error") : value;
    } catch (error) {
      if (!(error instanceof DuowireError)) throw error;
      this.refusal ??= error;
    }
    return undefined;
  }

  private bigint(length: number): bigint | undefined {
    const sign = this.reader.u8();
    const octets = this.octets(length - 1);
    // One form for each number: no leading zeros, no -0.
    if (sign > 1 || (octets.length ? !octets[0] : sign)) malformed("a bigint");
    if (octets.length > BIGINT_BYTES_MAX) return this.refuse(`a bigint of more than ${BIGINT_BYTES_MAX} octets`);
    let hex = "0x0";
    for (const octet of octets) hex += (octet + 256).toString(16).slice(1);
    return sign ? -BigInt(hex) : BigInt(hex);
  }

  private list(): unknown[] {
    const values = this.read();
    return Array.isArray(values) ? values : malformed("an extension without its array");
  }

  private regexp(): unknown {
    const values = this.list();
    const [source, flags] = values.map(text) as [string, string];
    if (values.length !== 2) malformed("a RegExp of another form");
    if (source.length > REGEXP_CHARS_MAX) this.refuse(`a RegExp of more than ${REGEXP_CHARS_MAX} characters`);
    return this.make(() => new RegExp(source, flags));
  }

  private set(): unknown {
    const values = this.list();
    const set = new Set(values);
    return set.size === values.length ? set : this.refuse("a Set with a value twice");
  }

  private pairs(): unknown {
    const values = this.list();
    const { length } = values;
    if (length % 2) malformed("a Map with half an entry");
    const map = new Map<unknown, unknown>();
    for (let i = 0; i < length; i += 2) map.set(values[i], values[i + 1]);
    return map.size * 2 === length ? map : this.refuse("a Map with a key twice");
  }

  private view(length: number): unknown {
    const kind = viewConstructors[this.reader.u8() - 1];
    const { buffer, byteLength } = this.octets(length - 1);
    if (!kind) return this.refuse("an unknown kind of typed array");
    if (byteLength % (kind.BYTES_PER_ELEMENT ?? 1)) malformed("a typed array with half an element");
    return new kind(buffer);
  }

  private blob(end: number): unknown {
    this.charge(BLOB_COUNT);
    const about = this.list();
    const octets = this.reader.bytes(Math.max(0, end - this.reader.offset));
    return makeBlob(about, octets) ?? malformed("a Blob of another form");
  }

  private error(): unknown {
    this.charge(ERROR_COUNT);
    this.errors++;
    const fields = (this.read() ?? 0) as ErrorFields;
    this.errors--;
    if (Object.getPrototypeOf(fields) !== Object.prototype) malformed("an error without its map");
    return this.errors < ERRORS_DEPTH_MAX ? this.make(() => makeError(fields)) : undefined;
  }

  /** Makes what is not made for nothing: not when the value is refused already. */
  private make(make: () => unknown): unknown {
    if (this.refusal) return undefined;
    try {
      return make();
    } catch {
      return this.refuse("a RegExp or URL that cannot be read");
    }
  }
}

function text(value: unknown): string {
  return typeof value === "string" ? value : malformed("an extension without its text");
}

/** What to send in the place of an object that cannot cross. */
function remedyFor(value: object): string {
  if (value instanceof Promise) return "await it";
  if (value instanceof Blob) return "send its octets (await its arrayBuffer())";
  return "send a plain object, or extend Target to lend it";
}
