/** Times as MessagePack's timestamps: spec/values.md, section 4. */
import { TWO_POW_32, writeExtensionHead } from "../base/messagepack.js";
import type { OctetReader, OctetWriter } from "../base/octets.js";

/** The extension type of a time. */
export const TIMESTAMP = -1;

const DATE_MS_MAX = 8_640_000_000_000_000;
const NANOSECONDS_PER_MS = 1_000_000;

/** Writes a time, whole milliseconds since 1970, in its shortest form. */
export function writeTimestamp(writer: OctetWriter, ms: number): void {
  const seconds = Math.floor(ms / 1000);
  const nanoseconds = (ms - seconds * 1000) * NANOSECONDS_PER_MS;
  const high = Math.floor(seconds / TWO_POW_32);
  if (high < 0 || high > 3) {
    writeExtensionHead(writer, TIMESTAMP, 12);
    writer.u32(nanoseconds);
    writer.u64(seconds);
  } else {
    const short = !nanoseconds && !high;
    writeExtensionHead(writer, TIMESTAMP, short ? 4 : 8);
    if (!short) writer.u32(nanoseconds * 4 + high);
    writer.u32(seconds);
  }
}

/** Reads the body of a timestamp of `length` octets; undefined for a time that no Date holds. */
export function readTimestamp(reader: OctetReader, length: number): Date | undefined {
  let nanoseconds = 0;
  let seconds: number;
  if (length === 4) seconds = reader.u32();
  else {
    nanoseconds = reader.u32();
    if (length === 12) seconds = Number(reader.i64());
    else {
      seconds = (nanoseconds & 3) * TWO_POW_32 + reader.u32();
      nanoseconds >>>= 2;
    }
  }
  const ms = seconds * 1000 + nanoseconds / NANOSECONDS_PER_MS;
  const isWhole = nanoseconds % NANOSECONDS_PER_MS === 0 && nanoseconds < 1000 * NANOSECONDS_PER_MS;
  return isWhole && Math.abs(ms) <= DATE_MS_MAX ? new Date(ms) : undefined;
}
