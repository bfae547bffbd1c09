/**
 * Octets in and out: a growing writer and a bounded reader, both big-endian.
 *
 * Every length in the wire is a varint of RFC 9000, section 16: the two highest bits of the first octet say whether
 * the number takes 1, 2, 4 or 8 octets. Numbers above 2^53 - 1 do not exist for us: a reader refuses them.
 */

/** Thrown by {@link OctetReader} when the octets are not what they should be. The caller decides whom to blame. */
export class MalformedOctets extends Error {
  override readonly name = "MalformedOctets";
}

const TWO_POW_32 = 4_294_967_296;
const INITIAL_BYTES = 256;
/** A writer that once held something large gives the memory back when it is emptied. */
const KEEP_BYTES_MAX = 65_536;
/** Room for what follows a long array. */
const TAIL_BYTES = 4_096;

const textEncoder = new TextEncoder();
const textDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** How many octets the varint of `value` takes: 1, 2, 4 or 8. */
export function varintLength(value: number): 1 | 2 | 4 | 8 {
  return value < 0x40 ? 1 : value < 0x4000 ? 2 : value < 0x4000_0000 ? 4 : 8;
}

/**
 * Appends octets to one growing buffer. `length` may be set back to undo; {@link OctetWriter.take} copies out what
 * was written, so that the buffer can be used again.
 */
export class OctetWriter {
  /** How many octets are written. Set it back to an earlier value to undo what came after. */
  length = 0;
  /** The buffer behind: valid up to `length`, and only until the next write. */
  buffer: Uint8Array<ArrayBuffer>;
  private view: DataView<ArrayBuffer>;

  constructor(initialBytes = INITIAL_BYTES) {
    this.buffer = new Uint8Array(initialBytes);
    this.view = new DataView(this.buffer.buffer);
  }

  /** Makes room for `count` more octets and returns the offset where they begin; `length` grows by `count`. */
  reserve(count: number): number {
    const offset = this.length;
    const needed = offset + count;
    if (needed > this.buffer.length) this.grow(needed);
    this.length = needed;
    return offset;
  }

  u8(value: number): void {
    const offset = this.reserve(1);
    this.buffer[offset] = value;
  }

  u16(value: number): void {
    const offset = this.reserve(2); // before `view` is read: reserving may replace it
    this.view.setUint16(offset, value);
  }

  u24(value: number): void {
    const offset = this.reserve(3);
    this.buffer[offset] = value >>> 16;
    this.view.setUint16(offset + 1, value & 0xffff);
  }

  u32(value: number): void {
    const offset = this.reserve(4);
    this.view.setUint32(offset, value);
  }

  /** An unsigned number of up to 2^53 - 1 in eight octets. */
  u64(value: number): void {
    const offset = this.reserve(8);
    this.view.setUint32(offset, Math.floor(value / TWO_POW_32));
    this.view.setUint32(offset + 4, value >>> 0);
  }

  f64(value: number): void {
    const offset = this.reserve(8);
    this.view.setFloat64(offset, value);
  }

  varint(value: number): void {
    if (value < 0x40) this.u8(value);
    else if (value < 0x4000) this.u16(value | 0x4000);
    else if (value < 0x4000_0000) this.u32((value | 0x8000_0000) >>> 0);
    else {
      const offset = this.length;
      this.u64(value);
      this.buffer[offset] = (this.buffer[offset] as number) | 0xc0;
    }
  }

  octets(value: Uint8Array): void {
    const needed = this.length + value.length;
    // What follows a long array is short as a rule: it should not double the buffer and copy the array once more.
    if (value.length > KEEP_BYTES_MAX && needed > this.buffer.length) this.grow(needed + TAIL_BYTES);
    const offset = this.reserve(value.length);
    this.buffer.set(value, offset);
  }

  /** Writes `value` as UTF-8 and returns how many octets that took. A lone surrogate becomes U+FFFD. */
  utf8(value: string): number {
    const offset = this.reserve(value.length * 3);
    const { written } = textEncoder.encodeInto(value, this.buffer.subarray(offset));
    this.length = offset + written;
    return written;
  }

  /** Overwrites an earlier `u32`, usually a length that was not known yet. */
  setU32(offset: number, value: number): void {
    this.view.setUint32(offset, value);
  }

  /** Overwrites an earlier `u24`. */
  setU24(offset: number, value: number): void {
    this.buffer[offset] = value >>> 16;
    this.view.setUint16(offset + 1, value & 0xffff);
  }

  /** A copy of octets `start` to `end`. */
  copy(start = 0, end = this.length): Uint8Array<ArrayBuffer> {
    return this.buffer.slice(start, end);
  }

  /** All that was written; the writer is empty afterwards. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.cut(0);
    this.clear();
    return taken;
  }

  /** Takes out what was written from `start` on: a copy, unless it is long and has the buffer nearly for itself. */
  cut(start: number): Uint8Array<ArrayBuffer> {
    const { buffer, length } = this;
    if (start > 0 || length <= KEEP_BYTES_MAX || buffer.length - length > length >> 3) {
      const taken = this.copy(start);
      this.length = start;
      return taken;
    }
    this.clear();
    return buffer.subarray(0, length);
  }

  clear(): void {
    this.length = 0;
    if (this.buffer.length <= KEEP_BYTES_MAX) return;
    this.buffer = new Uint8Array(INITIAL_BYTES);
    this.view = new DataView(this.buffer.buffer);
  }

  private grow(needed: number): void {
    const larger = new Uint8Array(Math.max(needed, this.buffer.length * 2));
    larger.set(this.buffer.subarray(0, this.length));
    this.buffer = larger;
    this.view = new DataView(larger.buffer);
  }
}

/**
 * Reads octets from `offset` up to `end`. Each method throws {@link MalformedOctets} instead of reading past the end.
 * `bytes()` returns views: copy what must outlive the input.
 */
export class OctetReader {
  offset: number;
  readonly end: number;
  private readonly view: DataView;

  constructor(
    readonly input: Uint8Array,
    offset = 0,
    end = input.length,
  ) {
    this.offset = offset;
    this.end = end;
    this.view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  }

  get remaining(): number {
    return this.end - this.offset;
  }

  u8(): number {
    return this.input[this.advance(1)] as number;
  }

  u16(): number {
    return this.view.getUint16(this.advance(2));
  }

  u24(): number {
    const offset = this.advance(3);
    return ((this.input[offset] as number) << 16) | this.view.getUint16(offset + 1);
  }

  u32(): number {
    return this.view.getUint32(this.advance(4));
  }

  /** Eight octets as a number of up to 2^53 - 1; a larger one is malformed. */
  u64(): number {
    const offset = this.advance(8);
    return this.safe(this.view.getUint32(offset) * TWO_POW_32 + this.view.getUint32(offset + 4));
  }

  i8(): number {
    return this.view.getInt8(this.advance(1));
  }

  i16(): number {
    return this.view.getInt16(this.advance(2));
  }

  i32(): number {
    return this.view.getInt32(this.advance(4));
  }

  i64(): bigint {
    return this.view.getBigInt64(this.advance(8));
  }

  f32(): number {
    return this.view.getFloat32(this.advance(4));
  }

  f64(): number {
    return this.view.getFloat64(this.advance(8));
  }

  varint(): number {
    const first = this.u8();
    const size = first >>> 6;
    if (size === 0) return first;
    this.offset -= 1;
    if (size === 1) return this.u16() & 0x3fff;
    if (size === 2) return this.u32() & 0x3fff_ffff;
    const high = this.u32() & 0x3fff_ffff;
    return this.safe(high * TWO_POW_32 + this.u32());
  }

  /** The next `count` octets, as a view of the input. */
  bytes(count: number): Uint8Array {
    const offset = this.advance(count);
    return this.input.subarray(offset, offset + count);
  }

  /** The next `count` octets as UTF-8; octets that are not UTF-8 are malformed. */
  utf8(count: number): string {
    const offset = this.advance(count);
    if (count < 24) {
      const short = this.ascii(offset, offset + count);
      if (short !== undefined) return short;
    }
    try {
      return textDecoder.decode(this.input.subarray(offset, offset + count));
    } catch {
      throw new MalformedOctets("text that is not UTF-8");
    }
  }

  /** Short ASCII text without the cost of a decoder call; undefined when it is not ASCII. */
  private ascii(offset: number, end: number): string | undefined {
    let text = "";
    for (let i = offset; i < end; i++) {
      const octet = this.input[i] as number;
      if (octet > 0x7f) return undefined;
      text += String.fromCharCode(octet);
    }
    return text;
  }

  private advance(count: number): number {
    const offset = this.offset;
    if (count > this.end - offset) throw new MalformedOctets(`${count} octets expected, ${this.end - offset} left`);
    this.offset = offset + count;
    return offset;
  }

  private safe(value: number): number {
    if (value > Number.MAX_SAFE_INTEGER) throw new MalformedOctets("a number above 2^53 - 1");
    return value;
  }
}

/** Whether two octet strings are the same. Not for secrets: it stops at the first difference. */
export function sameOctets(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Parts joined into one octet string; a single part is returned as it is, not copied. */
export function joinOctets(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0] as Uint8Array;
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}
