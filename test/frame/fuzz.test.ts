import { expect, test } from "vitest";
import { joinOctets, MalformedOctets } from "../../src/base/octets.js";
import { encodeFrame, type Frame, frameTypes } from "../../src/frame/frame.js";
import { FrameSplitter } from "../../src/frame/frame-splitter.js";
import { randomOf } from "../rpc/value-fuzz.js";
import { fuzzEach, fuzzSeeds, worstOf } from "../support/failures.js";
import { octetsOf, plain, read, vectors } from "./frame-notation.js";

const SAMPLE_BYTES_MAX = 1_024;
const SLOW_MS = 250;

/** Golden octets, but for the few that are large: what is wrong with those is seen at their heads. */
const samples = [...vectors.written, ...vectors.accepted, ...vectors.malformed]
  .map(({ hex }) => octetsOf(hex).subarray(0, SAMPLE_BYTES_MAX))
  .filter((octets) => octets.length > 0);
const types = Object.values(frameTypes);

/** One write: damaged samples behind each other. Half of them get a right length again, to reach the payload. */
function hostileWrite(random: (below: number) => number): Uint8Array {
  const pick = () => samples[random(samples.length)] as Uint8Array;
  const parts = Array.from({ length: 1 + random(3) }, () => damaged(pick(), random));
  return joinOctets([new Uint8Array(0), ...parts]);
}

function damaged(sample: Uint8Array, random: (below: number) => number): Uint8Array {
  const octets = [...sample];
  for (let i = random(4); i > 0; i--) {
    const at = random(octets.length + 1);
    const change = random(5);
    if (change === 0) octets[at] = random(256);
    else if (change === 1) octets[at] = (octets[at] ?? 0) ^ (1 << random(8));
    else if (change === 2) octets.splice(at, random(4));
    else if (change === 3) octets[0] = types[random(types.length)] as number;
    else octets.splice(at, 0, ...(samples[random(samples.length)] as Uint8Array).subarray(4, 4 + random(40)));
  }
  if (random(2) === 0 && octets.length >= 4) {
    const length = octets.length - 4;
    octets.splice(1, 3, length >>> 16, (length >>> 8) & 0xff, length & 0xff);
  }
  return new Uint8Array(octets.map((octet) => octet ?? 0));
}

/** Reads the write in pieces, as a body of HTTP; what came of it, and whether it ended inside a frame. */
function inPieces(octets: Uint8Array, random: (below: number) => number): { frames: Frame[]; isWhole: boolean } {
  const splitter = new FrameSplitter();
  const frames: Frame[] = [];
  for (let start = 0; start < octets.length; ) {
    const end = Math.min(octets.length, start + 1 + random(60));
    const whole = splitter.push(octets.slice(start, end));
    start = end;
    if (whole === undefined) continue;
    const { frames: more, error } = read(whole.slice());
    frames.push(...more);
    if (error !== undefined) throw error;
  }
  return { frames, isWhole: splitter.isWhole };
}

/** One seed: frames or MalformedOctets, the same in pieces, the same again when sent again, quick, no pollution. */
function fuzz(seed: number): void {
  const random = randomOf(seed);
  const octets = hostileWrite(random);
  const startedAt = performance.now();
  const { frames, error } = read(octets);
  const tookMs = performance.now() - startedAt;
  if (error !== undefined && !(error instanceof MalformedOctets)) throw error;
  worst.note(tookMs, seed);
  if (tookMs > SLOW_MS) throw new Error(`took ${tookMs} ms`);
  if (Reflect.ownKeys(Object.prototype).length !== prototypeKeys) throw new Error("Object.prototype was changed");
  const again = read(joinOctets([new Uint8Array(0), ...frames.map(encodeFrame)]));
  expect(plain(again)).toEqual(plain({ frames: frames.map(sendable), error: undefined }));
  try {
    const pieces = inPieces(octets, random);
    expect(plain(pieces.frames)).toEqual(plain(frames));
    expect(pieces.isWhole).toBe(error === undefined);
  } catch (failure) {
    if (!(failure instanceof MalformedOctets) || error === undefined) throw failure;
  }
}

/** What a frame is when it is sent again: half a character, where a message was cut, becomes U+FFFD. */
function sendable(frame: Frame): Frame {
  if (frame.type !== "close" && frame.type !== "refused" && frame.type !== "goaway") return frame;
  return { ...frame, message: new TextDecoder().decode(new TextEncoder().encode(frame.message)) };
}

const worst = worstOf("a write that is read");
const prototypeKeys = Reflect.ownKeys(Object.prototype).length;

test("decodeFrames survives every seed", { timeout: 20_000 + fuzzSeeds }, () => {
  fuzzEach("test/frame", fuzz);
  worst.tell(fuzzSeeds);
});

test("hostile writes reach every type, as frames and as malformed octets", () => {
  const seen = { taken: new Set<string>(), malformed: 0 };
  for (let seed = 0; seed < 2_000; seed++) {
    const { frames, error } = read(hostileWrite(randomOf(seed)));
    for (const { type } of frames) seen.taken.add(type);
    if (error !== undefined) seen.malformed += 1;
  }
  expect([...seen.taken].sort()).toEqual(Object.keys(frameTypes).sort());
  expect(seen.malformed).toBeGreaterThan(200);
});
