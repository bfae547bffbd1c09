/** What a CALL may say besides its arguments, on the wire: a deadline and metadata (spec/rpc.md, section 2.2). */
import { encodePlain } from "../base/messagepack.js";
import type { OctetWriter } from "../base/octets.js";
import { localError, writeNumber } from "./messages.js";

/** Names and texts that travel beside a call's arguments, such as `{ traceparent: "00-4bf9…" }`. */
export type Metadata = Readonly<Record<string, string>>;

/** How many entries metadata may have. */
export const METADATA_COUNT_MAX = 64;
/** How long all names and texts of metadata may be together, in UTF-16 units. */
export const METADATA_CHARS_MAX = 8_192;

/** What a call without metadata has. */
export const noMetadata: Metadata = Object.freeze({});

/** Whether `value` is metadata within its limits. */
export function isMetadata(value: unknown): value is Metadata {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  const entries = Object.entries(value);
  let chars = 0;
  for (const [name, text] of entries) {
    if (typeof text !== "string") return false;
    chars += name.length + text.length;
  }
  return entries.length <= METADATA_COUNT_MAX && chars <= METADATA_CHARS_MAX;
}

/** Says what metadata must be. */
export const METADATA_RULE = `metadata is a plain object of at most ${METADATA_COUNT_MAX} texts, \
${METADATA_CHARS_MAX} characters with their names`;

/** Appends the options of a CALL. Throws `invalid_argument` for metadata that cannot be sent. */
export function writeOptions(writer: OctetWriter, deadline: number | undefined, metadata: Metadata | undefined): void {
  writer.u8(0x80 + (deadline === undefined ? 0 : 1) + (metadata === undefined ? 0 : 1));
  if (deadline !== undefined) {
    writer.u16(0xa164); // d
    writeNumber(writer, deadline);
  }
  if (metadata === undefined) return;
  if (!isMetadata(metadata)) throw localError("invalid_argument", METADATA_RULE);
  writer.u16(0xa16d); // m
  encodePlain(writer, metadata);
}
