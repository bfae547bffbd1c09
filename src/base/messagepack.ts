/**
 * MessagePack for plain data, with room for extension types: what {@link Encoder} and {@link Decoder} do not know they
 * hand to a method that a subclass overrides (rpc/values.ts). spec/values.md is the normative text.
 *
 * Our own codec, because undefined, -0 and references are met in the same pass, every limit is checked while reading,
 * and a client has little room.
 */
import { AssertionError } from "./assert.js";
import { DuowireError } from "./errors.js";
import { KEYS_MAX, MapKeys } from "./map-keys.js";
import { MalformedOctets, type OctetReader, type OctetWriter } from "./octets.js";

/** How many arrays and maps may enclose a value. */
export const DEPTH_MAX = 64;
/** How much one value may hold: an array of n counts n, a map of n pairs 2n, extensions as spec/values.md says. */
export const COUNT_MAX = 1_000_000;
/** What octets of their own (bin) count: an ArrayBuffer costs a multiple of what a number does. */
export const OCTETS_COUNT = 4;

/** What the upper half of a 64-bit integer counts. */
export const TWO_POW_32 = 4_294_967_296;
/** Up to this length a loop over the characters beats a call of the platform's encoder. */
const LOOP_CHARS_MAX = 40;
const TOO_MANY_KEYS = `more than ${KEYS_MAX} different keys in its maps`;
/** How much of a path an error message shows. */
const PATH_CHARS_MAX = 256;

/** A length in two octets behind `code16` or four behind the code after it; in one behind `code8`, if there is one. */
function writeLength(writer: OctetWriter, length: number, code16: number, code8?: number): void {
  if (code8 && length < 0x100) writer.u16((code8 << 8) | length);
  else if (length < 0x10000) {
    writer.u8(code16);
    writer.u16(length);
  } else {
    writer.u8(code16 + 1);
    writer.u32(length);
  }
}

/** Writes the head of an extension whose body of `length` octets follows, in the shortest form. */
export function writeExtensionHead(writer: OctetWriter, type: number, length: number): void {
  const fixed = [1, 2, 4, 8, 16].indexOf(length);
  if (fixed < 0) writeLength(writer, length, 0xc8, 0xc7);
  else writer.u8(0xd4 + fixed);
  writer.u8(type);
}

/** Writes a number: an integer in its shortest form where it is exact, else a float 64. */
export function writeNumber(writer: OctetWriter, value: number): void {
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
    writer.u8(0xcb);
    writer.f64(value);
    return;
  }
  if (value >= -32 && value < 0x80) return writer.u8(value);
  const code = value < 0 ? 0xd0 : 0xcc;
  // A negative number needs the size of its complement, shifted to make room for the sign.
  const size = value < 0 ? -2 * (value + 1) : value;
  if (size < 0x100) writer.u16((code << 8) | (value & 0xff));
  else if (size < 0x10000) {
    writer.u8(code + 1);
    writer.u16(value);
  } else if (size < TWO_POW_32) {
    writer.u8(code + 2);
    writer.u32(value);
  } else {
    writer.u8(code + 3);
    writer.u64(value); // two's complement, as all of them
  }
}

function writeTextHead(writer: OctetWriter, length: number): void {
  if (length < 32) writer.u8(0xa0 | length);
  else writeLength(writer, length, 0xda, 0xd9);
}

function writeText(writer: OctetWriter, text: string): void {
  const start = writer.length;
  const { length } = text;
  writeTextHead(writer, length); // right when all is ASCII, which is not known yet
  const body = writer.length;
  if (length <= LOOP_CHARS_MAX) {
    writer.reserve(length);
    const { buffer } = writer;
    let i = 0;
    for (; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) break;
      buffer[body + i] = code;
    }
    if (i === length) return;
    writer.length = body;
  }
  const written = writer.utf8(text);
  if (written === length) return;
  writer.length = start;
  writeTextHead(writer, written);
  if (writer.length === body) writer.length += written;
  else writer.utf8(text);
}

/** Writes plain data; anything else goes to {@link Encoder.extend}. It may write any number of values in turn. */
export class Encoder {
  protected writer!: OctetWriter;
  /** How many arrays and maps are open; `path` holds the key in each. */
  protected depth = 0;
  protected readonly path: (string | number)[] = [];
  /** How much of {@link COUNT_MAX} is left. */
  protected left = 0;
  private root: string | undefined;

  /**
   * Appends `value`, or nothing at all: what cannot be written throws `invalid_argument` with its path from `root`.
   * Getters run once each; one that would write with this encoder meanwhile fails.
   */
  encode(writer: OctetWriter, value: unknown, root = "value"): void {
    if (this.root) throw new DuowireError("invalid_argument", "a getter may not send while its object is being sent");
    const start = writer.length;
    this.writer = writer;
    this.root = root;
    this.depth = 0;
    this.left = COUNT_MAX;
    try {
      this.write(value);
    } catch (error) {
      writer.length = start;
      if (error instanceof DuowireError || error instanceof AssertionError) throw error;
      this.refuse("reading it failed", error);
    } finally {
      this.root = undefined;
    }
  }

  protected write(value: unknown): void {
    const { writer } = this;
    if (typeof value === "string") writeText(writer, value);
    else if (typeof value === "number") writeNumber(writer, value);
    else if (typeof value === "boolean") writer.u8(value ? 0xc3 : 0xc2);
    else if (value === null) writer.u8(0xc0);
    else if (typeof value !== "object") this.extend(value);
    else if (Array.isArray(value)) this.array(value);
    else {
      const prototype: unknown = Object.getPrototypeOf(value);
      const isPlain = prototype === Object.prototype || prototype === null;
      // An object that is written down as `{ async *[Symbol.asyncIterator]() {} }` is no data, whatever its class.
      if (isPlain && !(Symbol.asyncIterator in value)) this.map(value as Record<string, unknown>);
      else if (value instanceof Uint8Array) {
        const octets = this.octetsOf(value);
        writeLength(writer, octets.length, 0xc5, 0xc4);
        writer.octets(octets);
      } else this.extend(value);
    }
  }

  private array(values: readonly unknown[]): void {
    const { length } = values;
    this.enter(length);
    if (length < 16) this.writer.u8(0x90 | length);
    else writeLength(this.writer, length, 0xdc);
    const at = this.depth - 1;
    for (let i = 0; i < length; i++) {
      this.path[at] = i;
      this.write(values[i]);
    }
    this.depth = at;
  }

  /** A plain object: its own enumerable string keys. */
  private map(object: Record<string, unknown>): void {
    const { writer } = this;
    const keys = Object.keys(object);
    const { length } = keys;
    if (length > KEYS_MAX) this.refuse(`it has more than ${KEYS_MAX} keys: send a Map`);
    this.enter(2 * length);
    if (length < 16) writer.u8(0x80 | length);
    else writeLength(writer, length, 0xde);
    const at = this.depth - 1;
    for (const key of keys) {
      this.path[at] = key;
      if (key === "__proto__") this.refuse("no key may have this name");
      writeText(writer, key);
      this.write(object[key]);
    }
    this.depth = at;
  }

  /** The octets behind a view, without a copy; memory that is shared or was given away is refused. */
  protected octetsOf(view: ArrayBufferView): Uint8Array {
    const { buffer, byteOffset, byteLength } = view;
    if (buffer[Symbol.toStringTag] !== "ArrayBuffer") this.refuse("it is shared memory: send a copy");
    this.charge(OCTETS_COUNT);
    // Only a constructor tells a detached buffer from an empty one everywhere: it throws.
    return new Uint8Array(buffer, byteOffset, byteLength);
  }

  /** Goes into an array or map of `count` values. The caller sets `depth` back. */
  protected enter(count: number): void {
    if (this.depth === DEPTH_MAX) this.refuse(`it is more than ${DEPTH_MAX} levels deep, or cyclic`);
    this.charge(count);
    this.depth++;
  }

  protected charge(count: number): void {
    this.left -= count;
    if (this.left < 0) this.refuse(`there are more than ${COUNT_MAX} values`);
  }

  /** Writes what is not plain data, or refuses it. To be overridden. */
  protected extend(_value: unknown): void {
    this.refuse("it is no plain data");
  }

  /** Fails the whole value, naming where. */
  protected refuse(why: string, cause?: unknown): never {
    let path = this.root as string;
    for (const key of this.path.slice(0, this.depth)) {
      // Quoted unless it is a name: a key may be anybody's text, and the message may end in a log.
      path += /^[^\W\d]\w*$/.test(`${key}`) ? `.${key}` : `[${JSON.stringify(key)}]`;
    }
    const message = `${path.slice(0, PATH_CHARS_MAX)} cannot be sent: ${why}`;
    throw new DuowireError("invalid_argument", message, { side: "local", cause });
  }
}

/**
 * Reads plain data; an extension goes to {@link Decoder.extension}. It may read any number of values in turn.
 * Octets that are no value throw {@link MalformedOctets}, and the reader is of no more use.
 */
export class Decoder {
  protected reader!: OctetReader;
  private depth = 0;
  private left = 0;
  private readonly keys = new MapKeys();
  /** The depth at which the innermost open extension stands. */
  private extensionDepth = -1;

  /** Reads one value and leaves the reader behind it. */
  decode(reader: OctetReader): unknown {
    this.reader = reader;
    this.depth = 0;
    this.left = COUNT_MAX;
    this.extensionDepth = -1;
    this.keys.reset();
    return this.read();
  }

  protected read(): unknown {
    const { reader } = this;
    const head = reader.u8();
    if (head < 0x80) return head;
    if (head < 0x90) return this.map(head & 15);
    if (head < 0xa0) return this.array(head & 15);
    if (head < 0xc0) return reader.utf8(head & 31);
    if (head > 0xdf) return head - 0x100;
    return this.readLong(head);
  }

  /** What does not fit in its first octet. */
  private readLong(head: number): unknown {
    const { reader } = this;
    if (head === 0xc0) return null;
    if (head === 0xc1) malformed("0xc1 begins no value");
    if (head < 0xc4) return head === 0xc3;
    if (head < 0xc7) return this.octets(this.unsigned(head - 0xc4));
    if (head < 0xca) return this.extended(this.unsigned(head - 0xc7));
    if (head === 0xca) return reader.f32();
    if (head === 0xcb) return reader.f64();
    if (head < 0xcf) return this.unsigned(head - 0xcc);
    if (head === 0xcf) return this.wide(reader.u32());
    if (head === 0xd0) return reader.i8();
    if (head === 0xd1) return reader.i16();
    if (head === 0xd2) return reader.i32();
    if (head === 0xd3) return this.wide(reader.i32());
    if (head < 0xd9) return this.extended(1 << (head - 0xd4));
    if (head < 0xdc) return reader.utf8(this.unsigned(head - 0xd9));
    return head < 0xde ? this.array(this.unsigned(head - 0xdb)) : this.map(this.unsigned(head - 0xdd));
  }

  /** A number of 1, 2 or 4 octets, for a width of 0, 1 or 2. */
  private unsigned(width: number): number {
    const { reader } = this;
    return width === 0 ? reader.u8() : width === 1 ? reader.u16() : reader.u32();
  }

  /** A 64-bit integer whose upper half is read: a bigint only where a number would not be exact. */
  protected wide(high: number): number | bigint {
    const low = this.reader.u32();
    const value = high * TWO_POW_32 + low;
    return Number.isSafeInteger(value) ? value : (BigInt(high) << 32n) | BigInt(low);
  }

  /** A copy, lest a small value pin the large buffer that it came in. */
  protected octets(length: number): Uint8Array<ArrayBuffer> {
    if (length < 0) malformed("a body too short");
    this.charge(OCTETS_COUNT);
    return new Uint8Array(this.reader.bytes(length));
  }

  private array(length: number): unknown[] {
    this.enter(length);
    const values: unknown[] = new Array(length);
    for (let i = 0; i < length; i++) values[i] = this.read();
    this.depth--;
    return values;
  }

  private map(length: number): Record<string, unknown> {
    const { reader, keys } = this;
    const object: Record<string, unknown> = {};
    this.enter(2 * length);
    for (let i = 0; i < length; i++) {
      const head = reader.u8();
      const isShort = head > 0x9f && head < 0xc0;
      if (!isShort) reader.offset--;
      const key = isShort ? keys.read(reader, head & 31) : this.read();
      if (!isShort && typeof key === "string") keys.count(key);
      const value = this.read();
      if (typeof key === "string" && key !== "__proto__" && !keys.isFull) object[key] = value;
    }
    this.depth--;
    if (keys.isFull) this.refuse(TOO_MANY_KEYS);
    // Counted once a map, not looked up once a key: cheaper, and it finds the keys left out above as well.
    else if (Object.keys(object).length !== length)
      this.refuse("a map with a key that is no text, __proto__ or there twice");
    return object;
  }

  private extended(length: number): unknown {
    const { reader, depth, extensionDepth } = this;
    const type = reader.i8();
    const end = reader.offset + length;
    if (length > reader.remaining) malformed("an extension beyond the end");
    // No body is an extension itself: without this check nothing would bound how deep they nest.
    if (depth === extensionDepth) malformed("an extension right inside an extension");
    this.extensionDepth = depth;
    const value = this.extension(type, length);
    this.extensionDepth = extensionDepth;
    if (reader.offset !== end) malformed(`extension ${type} with a body of another length`);
    return value;
  }

  /** Reads the body of an extension: exactly `length` octets, which are there. To be overridden. */
  protected extension(type: number, length: number): unknown {
    this.reader.offset += length;
    return this.refuse(`extension ${type}`);
  }

  private enter(count: number): void {
    if (++this.depth > DEPTH_MAX) malformed(`more than ${DEPTH_MAX} levels deep`);
    // Checked before anything is allocated.
    if (count > this.reader.remaining) malformed("an array or map beyond the end");
    this.charge(count);
  }

  protected charge(count: number): void {
    this.left -= count;
    if (this.left < 0) malformed(`more than ${COUNT_MAX} values`);
  }

  /** What to do about a value that is well formed and not wanted. Where nothing else can fail, it is malformed too. */
  protected refuse(what: string): undefined {
    malformed(what);
  }
}

/** Throws {@link MalformedOctets}. */
export function malformed(what: string): never {
  throw new MalformedOctets(what);
}

/** Appends one value of plain data, or throws `invalid_argument`. */
export function encodePlain(writer: OctetWriter, value: unknown): void {
  new Encoder().encode(writer, value);
}

/** Reads one value of plain data; whatever is anything else is malformed. */
export function decodePlain(reader: OctetReader): unknown {
  return new Decoder().decode(reader);
}
