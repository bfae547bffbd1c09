/** The notation of spec/vectors/frames.json: octets and frames, from JSON. */
import { readFileSync } from "node:fs";
import { decodeFrames, type Frame } from "../../src/frame/frame.js";

/** Octets as hexadecimal digits, or in pieces of which some are repeated. */
export type Hex = string | readonly (string | { readonly hex: string; readonly times: number })[];

/** One vector; `frames` is missing where nothing is read. */
export interface Vector {
  readonly name: string;
  readonly hex: Hex;
  readonly frames?: readonly unknown[];
}

/** The whole file. */
export interface FrameVectors {
  readonly notation: Readonly<Record<string, string>>;
  readonly written: readonly Vector[];
  readonly accepted: readonly Vector[];
  readonly malformed: readonly Vector[];
}

/** The vectors as they are now. */
export const vectors: FrameVectors = JSON.parse(
  readFileSync(new URL("../../spec/vectors/frames.json", import.meta.url), "utf8"),
);

const digits = (text: string): string => text.replaceAll(" ", "");

/** The octets that `hex` means. */
export function octetsOf(hex: Hex): Uint8Array {
  const pieces = typeof hex === "string" ? [hex] : hex;
  const texts = pieces.map((one) => (typeof one === "string" ? digits(one) : digits(one.hex).repeat(one.times)));
  return new Uint8Array(Buffer.from(texts.join(""), "hex"));
}

/** The value that a notation means: frames, and what stands in them. */
export function build(notation: unknown): unknown {
  if (typeof notation !== "object" || notation === null) return notation;
  if (Array.isArray(notation)) return notation.map(build);
  const tag = notation as Record<string, unknown>;
  if (tag.$ === "bytes") return octetsOf(String(tag.hex));
  if (tag.$ === "repeat") {
    const times = Number(tag.times);
    return typeof tag.text === "string" ? tag.text.repeat(times) : octetsOf([{ hex: String(tag.hex), times }]);
  }
  return Object.fromEntries(Object.entries(notation).map(([key, one]) => [key, build(one)]));
}

/** The frames of a vector; none where it names none. */
export function framesOf(vector: Vector): Frame[] {
  return (vector.frames ?? []).map(build) as Frame[];
}

/** What reading one write gave: the frames, and what it failed with, if it did. */
export function read(octets: Uint8Array): { frames: Frame[]; error: unknown } {
  const frames: Frame[] = [];
  try {
    decodeFrames(octets, (frame) => frames.push(frame));
  } catch (error) {
    return { frames, error };
  }
  return { frames, error: undefined };
}

/** A frame with plain octets, so that a view of a larger buffer equals a copy, and in one order of fields. */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.length).toString("hex");
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]));
}
