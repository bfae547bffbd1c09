/** The notation of spec/vectors/values.json, both ways. */

import type { ReferenceType } from "../../src/rpc/reference.js";
import { RemoteError } from "../../src/rpc/remote-error.js";

/** Stands for whatever the owner of the hooks lends. */
export class Lent {
  constructor(
    readonly type: ReferenceType,
    readonly number: number,
    readonly kind: number,
  ) {}
}

/** A value as JSON says it. */
export type Notation = null | boolean | number | string | Notation[] | { [key: string]: Notation };
type Tag = { [key: string]: Notation };

interface ViewConstructor {
  new (buffer: ArrayBuffer): ArrayBufferView;
}

const viewKinds: Readonly<Record<string, ViewConstructor>> = {
  int8: Int8Array,
  uint8clamped: Uint8ClampedArray,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  float32: Float32Array,
  float64: Float64Array,
  bigint64: BigInt64Array,
  biguint64: BigUint64Array,
  dataview: DataView,
};

/** The octets of a text of hexadecimal digits; spaces are for the reader. */
export function fromHex(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text.replaceAll(" ", ""), "hex"));
}

function toHex(octets: ArrayBufferView | ArrayBuffer): string {
  if (octets instanceof ArrayBuffer) return Buffer.from(octets).toString("hex");
  return Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString("hex");
}

const builders: Readonly<Record<string, (tag: Tag) => unknown>> = {
  undefined: () => undefined,
  float: (tag) => Number(tag.v),
  repeat: (tag) => String(tag.text).repeat(Number(tag.times)),
  bytes: (tag) => fromHex(String(tag.hex)),
  object: (tag) => Object.fromEntries((tag.entries as [string, Notation][]).map(([key, one]) => [key, build(one)])),
  bigint: (tag) => BigInt(String(tag.v)),
  date: (tag) => new Date(Number(tag.ms)),
  map: (tag) => new Map((tag.entries as Notation[][]).map((entry) => entry.map(build) as [unknown, unknown])),
  set: (tag) => new Set((tag.values as Notation[]).map(build)),
  regexp: (tag) => new RegExp(String(tag.source), String(tag.flags)),
  url: (tag) => new URL(String(tag.href)),
  typed: (tag) => new (viewKinds[String(tag.kind)] as ViewConstructor)(fromHex(String(tag.hex)).buffer),
  buffer: (tag) => fromHex(String(tag.hex)).buffer,
  error: ({ $, name, message, cause, errors, fields, ...more }) => {
    if (fields) return new RemoteError({ name, message, fields: build(fields) });
    const options = cause === undefined ? undefined : { cause: build(cause) };
    const several = errors && new AggregateError((errors as Notation[]).map(build), String(message), options);
    return Object.assign(several || new Error(String(message), options), build(more), { name });
  },
  blob: ({ type, hex, name, lastModified }) => {
    const parts = [fromHex(String(hex))];
    if (name === undefined) return new Blob(parts, { type: String(type) });
    return new File(parts, String(name), { type: String(type), lastModified: Number(lastModified) });
  },
  ref: (tag) => new Lent(tag.type as ReferenceType, Number(tag.number), Number(tag.kind ?? 0)),
};

/** The value that a notation means. */
export function build(notation: Notation): unknown {
  if (typeof notation !== "object" || notation === null) return notation;
  if (Array.isArray(notation)) return notation.map(build);
  if (typeof notation.$ === "string") return builders[notation.$]?.(notation);
  return Object.fromEntries(Object.entries(notation).map(([key, one]) => [key, build(one)]));
}

function describeError(error: Error): Notation {
  const notation: Tag = { $: "error", name: error.name, message: error.message };
  const fields = error as Partial<RemoteError>;
  for (const key of ["code", "data", "cause", "errors", "fields"] as const) {
    if (fields[key] !== undefined) notation[key] = describe(fields[key]);
  }
  return notation;
}

/** What {@link readBlobs} has read. */
const octetsOfBlobs = new WeakMap<Blob, string>();

/** Reads all Blobs inside of `value`: {@link describe} shows their octets afterwards. */
export async function readBlobs(value: unknown): Promise<void> {
  if (value instanceof Blob) octetsOfBlobs.set(value, toHex(await value.arrayBuffer()));
  else if (value instanceof Map) await readBlobs([...value].flat());
  else if (value instanceof Set) await readBlobs([...value]);
  else if (typeof value === "object" && value !== null && !ArrayBuffer.isView(value)) {
    for (const one of Object.values(value)) await readBlobs(one);
  }
}

function describeBlob(value: Blob): Notation {
  const { type } = value;
  const hex = octetsOfBlobs.get(value) ?? "not read";
  if (!(value instanceof File)) return { $: "blob", type, hex };
  return { $: "blob", type, hex, name: value.name, lastModified: value.lastModified };
}

function describeObject(value: object): Notation {
  if (Array.isArray(value)) return Array.from(value, describe);
  if (value instanceof Date) return { $: "date", ms: value.getTime() };
  if (value instanceof Map) return { $: "map", entries: [...value].map((entry) => entry.map(describe)) };
  if (value instanceof Set) return { $: "set", values: [...value].map(describe) };
  if (value instanceof RegExp) return { $: "regexp", source: value.source, flags: value.flags };
  if (value instanceof URL) return { $: "url", href: value.href };
  if (value instanceof ArrayBuffer) return { $: "buffer", hex: toHex(value) };
  if (value instanceof Error) return describeError(value);
  if (value instanceof Blob) return describeBlob(value);
  if (value instanceof Lent) return { $: "ref", type: value.type, number: value.number, kind: value.kind };
  if (value instanceof Uint8Array) return { $: "bytes", hex: toHex(value) };
  if (ArrayBuffer.isView(value)) {
    const [kind] = Object.entries(viewKinds).find(([, view]) => value instanceof view) ?? [""];
    return { $: "typed", kind, hex: toHex(value) };
  }
  // Entries, lest a key be taken for a tag.
  return { $: "object", entries: Object.entries(value).map(([key, one]) => [key, describe(one)]) };
}

/** A value in one notation that differs wherever two values do. */
export function describe(value: unknown): Notation {
  if (value === undefined) return { $: "undefined" };
  if (typeof value === "bigint") return { $: "bigint", v: String(value) };
  if (typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0))) {
    return { $: "float", v: Object.is(value, -0) ? "-0" : String(value) };
  }
  if (typeof value === "object" && value !== null) return describeObject(value);
  return value as Notation;
}
