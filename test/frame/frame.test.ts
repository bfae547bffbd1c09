import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { joinOctets, MalformedOctets } from "../../src/base/octets.js";
import type { ControlFrame } from "../../src/frame/control.js";
import { encodeBatch, encodeFrame, type Frame, frameLengthAt, frameTypes } from "../../src/frame/frame.js";
import { FrameSplitter } from "../../src/frame/frame-splitter.js";
import {
  BATCH_BYTES_MAX,
  defaultLimits,
  FRAME_BYTES_MAX,
  leastLimits,
  PING_BYTES_MAX,
} from "../../src/frame/limits.js";
import { framesOf, octetsOf, plain, read, vectors } from "./frame-notation.js";

const encoded = (frames: readonly Frame[]) => joinOctets([new Uint8Array(0), ...frames.map(encodeFrame)]);
const hex = (octets: Uint8Array) => Buffer.from(octets).toString("hex");
const page = readFileSync(new URL("../../spec/frame.md", import.meta.url), "utf8");

describe("vectors", () => {
  test.each(vectors.written)("written: $name", (vector) => {
    expect(hex(encoded(framesOf(vector)))).toBe(hex(octetsOf(vector.hex)));
  });
  test.each([...vectors.written, ...vectors.accepted])("read: $name", (vector) => {
    const { frames, error } = read(octetsOf(vector.hex));
    expect(error).toBeUndefined();
    expect(plain(frames)).toEqual(plain(framesOf(vector)));
  });
  test.each(vectors.malformed)("malformed: $name", (vector) => {
    const { frames, error } = read(octetsOf(vector.hex));
    expect(error).toBeInstanceOf(MalformedOctets);
    expect(plain(frames)).toEqual(plain(framesOf(vector)));
  });
  test("encodeBatch writes what encodeFrame writes", () => {
    for (const frame of vectors.written.flatMap(framesOf)) {
      if (frame.type !== "batch") continue;
      expect(hex(encodeBatch(frame.sequence, frame.clockMs, frame.messages))).toBe(hex(encodeFrame(frame)));
    }
  });
  test("cover every type, and each name is there once", () => {
    const types = vectors.written.flatMap(framesOf).map(({ type }) => type);
    expect(new Set(types)).toEqual(new Set(Object.keys(frameTypes)));
    const names = [...vectors.written, ...vectors.accepted, ...vectors.malformed].map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });
});

describe("spec/frame.md", () => {
  test("has no example that is not a vector", () => {
    const known = new Set([...vectors.written, ...vectors.accepted, ...vectors.malformed].map((one) => hexOf(one.hex)));
    const lines = [...page.matchAll(/```hex\n([^`]*)```/g)].flatMap(([, block = ""]) => block.trim().split("\n"));
    expect(lines.length).toBeGreaterThan(5);
    for (const line of lines) expect(known, line).toContain(line.replace(/;.*$/, "").replaceAll(" ", ""));
  });
  test("names every type with its octet", () => {
    for (const [name, octet] of Object.entries(frameTypes)) {
      expect(page).toContain(`| 0x${octet.toString(16).padStart(2, "0")} | ${name.toUpperCase()} |`);
    }
  });
  test.each(["access", "attach", "welcome", "refused", "close", "exchange"] as const)(
    "lists the keys of %s in the order in which they are sent",
    (type) => {
      const [, section = ""] = page.split(`\n### ${type.toUpperCase()}\n`);
      const [table = ""] = section.split("\n### ");
      const listed = [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, key]) => key);
      const sent = vectors.written.flatMap(framesOf).filter((frame) => frame.type === type);
      expect(listed.length).toBeGreaterThan(0);
      for (const frame of sent) {
        const keys = Object.keys(frame).slice(1);
        expect(listed.filter((key) => keys.includes(String(key)))).toEqual(keys);
      }
      expect(new Set(listed)).toEqual(new Set(sent.flatMap((frame) => Object.keys(frame).slice(1))));
    },
  );
});

function hexOf(notation: Parameters<typeof octetsOf>[0]): string {
  return typeof notation === "string" ? notation : hex(octetsOf(notation));
}

const number = fc.oneof(
  fc.constantFrom(0, 63, 64, 16_383, 16_384, 2 ** 30 - 1, 2 ** 30, Number.MAX_SAFE_INTEGER),
  fc.maxSafeNat(),
);
const positive = number.map((value) => Math.max(1, value));
const octets = (size: object) => fc.uint8Array({ maxLength: 300, ...size });
const fixed = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
// No lone surrogates: they become U+FFFD on the way.
const text = fc.string({ unit: "grapheme", maxLength: 60 }).filter((one) => one.length <= 256);
const limits = fc.record(
  Object.fromEntries(
    Object.entries(leastLimits).map(([name, least]) => [name, number.map((n) => Math.max(n, least))]),
  ) as { [name in keyof typeof leastLimits]: fc.Arbitrary<number> },
);
const optional = { requiredKeys: [] };
const attachParts = {
  version: number,
  incarnation: fixed(16),
  attach: positive,
  received: number,
  clockMs: number,
  limits,
};
const joined = (type: ControlFrame["type"], required: object, others: object): fc.Arbitrary<Frame> =>
  fc
    .tuple(fc.record(required), fc.record(others, optional))
    .map(([one, other]) => ({ type, ...one, ...other }) as unknown as Frame);

const arbitraryFrames: Record<Frame["type"], fc.Arbitrary<Frame>> = {
  access: joined(
    "access",
    { ...attachParts, nonce: fixed(16), triedMsAgo: number },
    { ahead: octets({}), service: text, roundTripMs: number },
  ),
  attach: joined("attach", { ...attachParts, key: fixed(32) }, { ahead: octets({}), companion: positive }),
  welcome: joined(
    "welcome",
    { version: number, attach: positive, received: number, clockMs: number, limits, leaseMs: number, admission: text },
    { id: text, key: fixed(32), links: fc.array(text, { maxLength: 16 }), ahead: octets({}) },
  ),
  refused: joined("refused", { code: text, message: text }, { retryAfterMs: number }),
  close: joined("close", { code: text, message: text, last: number }, {}),
  goaway: joined("goaway", { code: text, message: text, endsInMs: number }, {}),
  exchange: joined(
    "exchange",
    { link: fixed(16), number: positive, confirmed: number, parkMs: number, holdMs: number },
    { key: fixed(32) },
  ),
  closed: fc.constant({ type: "closed" }),
  batch: fc.record({
    type: fc.constant("batch" as const),
    sequence: positive,
    clockMs: number,
    messages: octets({ minLength: 1 }),
  }),
  fragment: fc.record({
    type: fc.constant("fragment" as const),
    sequence: positive,
    clockMs: number,
    message: positive,
    left: number,
    octets: octets({ minLength: 1 }),
  }),
  ack: fc.record({ type: fc.constant("ack" as const), sequence: number }),
  ping: fc.record({ type: fc.constant("ping" as const), octets: octets({}) }),
  pong: fc.record({ type: fc.constant("pong" as const), octets: octets({}) }),
};
const someFrames = fc.array(fc.oneof(...Object.values(arbitraryFrames)), { minLength: 1, maxLength: 5 });

describe("frames", () => {
  test.each(Object.entries(arbitraryFrames))("of type %s come back as they were", (_type, arbitrary) => {
    fc.assert(
      fc.property(fc.array(arbitrary, { minLength: 1, maxLength: 4 }), (frames) => {
        expect(plain(read(encoded(frames)))).toEqual(plain({ frames, error: undefined }));
      }),
    );
  });

  test("cut off at any octet give the whole ones before, and MalformedOctets unless the cut is between two", () => {
    fc.assert(
      fc.property(someFrames, (frames) => {
        const whole = encoded(frames);
        const readable = read(whole).frames;
        const ends = [0, ...frames.map((_, index) => encoded(frames.slice(0, index + 1)).length)];
        for (let length = 0; length < whole.length; length++) {
          const cut = read(whole.subarray(0, length));
          const count = ends.filter((end) => end <= length).length - 1;
          expect(cut.error instanceof MalformedOctets).toBe(!ends.includes(length));
          expect(cut.frames.length).toBe(count);
        }
        expect(readable.length).toBe(frames.length);
      }),
      { numRuns: 50 },
    );
  });

  test("of random octets are MalformedOctets or frames, and nothing else", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        const { error } = read(noise);
        expect(error === undefined || error instanceof MalformedOctets).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  test("of a known type with a random payload are MalformedOctets or frames, and nothing else", () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.values(frameTypes)), octets({}), (type, payload) => {
        const { error } = read(raw(type, payload));
        expect(error === undefined || error instanceof MalformedOctets).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("FrameSplitter", () => {
  test("gives the same frames whatever the pieces", () => {
    fc.assert(
      fc.property(someFrames, fc.array(fc.nat({ max: 400 })), (frames, sizes) => {
        const whole = encoded(frames);
        const splitter = new FrameSplitter();
        const parts: Uint8Array[] = [];
        for (let start = 0, turn = 0; start < whole.length; turn++) {
          const end = Math.min(whole.length, start + (sizes[turn] ?? 1));
          const part = splitter.push(whole.slice(start, end));
          if (part !== undefined) {
            expect(read(part).error).toBeUndefined();
            parts.push(part.slice());
          }
          start = end;
          expect(splitter.isWhole).toBe(joinOctets([...parts, new Uint8Array(0)]).length === start);
        }
        expect(hex(joinOctets(parts))).toBe(hex(whole));
        expect(splitter.isWhole).toBe(true);
      }),
    );
  });
  test("refuses a length above the limit with the fourth octet", () => {
    const splitter = new FrameSplitter();
    expect(splitter.push(Uint8Array.of(0x80, 0x01, 0x04))).toBeUndefined();
    expect(() => splitter.push(Uint8Array.of(0x41))).toThrow(MalformedOctets);
  });
});

/** A frame of any type with any payload, its length as it is. */
function raw(type: number, payload: Uint8Array): Uint8Array {
  const { length } = payload;
  return joinOctets([Uint8Array.of(type, length >>> 16, (length >>> 8) & 0xff, length & 0xff), payload]);
}

const key = new Uint8Array(32);
const close = { type: "close", code: "closed", message: "", last: 0 } as const;
const attach = {
  type: "attach",
  version: 1,
  incarnation: new Uint8Array(16),
  attach: 1,
  received: 0,
  clockMs: 0,
  limits: defaultLimits,
  key,
} as const;
const welcome = {
  type: "welcome",
  version: 1,
  attach: 1,
  received: 0,
  clockMs: 0,
  limits: defaultLimits,
  leaseMs: 1,
  admission: "",
} as const;
const isTaken = (frame: Frame) => read(encodeFrame(frame)).error === undefined;

describe("limits", () => {
  test.each<[string, number, (size: number) => Frame]>([
    [
      "messages of a BATCH",
      BATCH_BYTES_MAX,
      (n) => ({ type: "batch", sequence: 1, clockMs: 0, messages: new Uint8Array(n) }),
    ],
    [
      "octets of a FRAGMENT",
      BATCH_BYTES_MAX,
      (n) => ({ type: "fragment", sequence: 1, clockMs: 0, message: 1, left: 0, octets: new Uint8Array(n) }),
    ],
    ["octets of a PING", PING_BYTES_MAX, (n) => ({ type: "ping", octets: new Uint8Array(n) })],
    ["octets of a PONG", PING_BYTES_MAX, (n) => ({ type: "pong", octets: new Uint8Array(n) })],
    ["octets ahead", 32_768, (n) => ({ ...attach, ahead: new Uint8Array(n) })],
    ["characters of a text", 256, (n) => ({ ...close, code: "x".repeat(n) })],
    ["links", 16, (n) => ({ ...welcome, links: new Array<string>(n).fill("x") })],
  ])("%s: %i are taken, one more is not", (_name, limit, make) => {
    expect(isTaken(make(limit))).toBe(true);
    expect(isTaken(make(limit + 1))).toBe(false);
  });

  test("the payload of any frame: one octet above the limit is refused with its head alone", () => {
    const head = (length: number) => Uint8Array.of(0x80, length >>> 16, (length >>> 8) & 0xff, length & 0xff);
    expect(frameLengthAt(head(FRAME_BYTES_MAX), 0)).toBe(FRAME_BYTES_MAX + 4);
    expect(() => frameLengthAt(head(FRAME_BYTES_MAX + 1), 0)).toThrow(MalformedOctets);
  });

  test("a message for a person is cut to 1,024 characters, however long it is", () => {
    for (const length of [1_023, 1_024, 1_025, 60_000]) {
      const [frame] = read(encodeFrame({ ...close, message: "x".repeat(length) })).frames;
      expect((frame as typeof close | undefined)?.message.length).toBe(Math.min(length, 1_024));
    }
  });

  test("every frame of the largest numbers and the most messages is within the limit", () => {
    const [most, messages] = [Number.MAX_SAFE_INTEGER, new Uint8Array(BATCH_BYTES_MAX)];
    const fragment = encodeFrame({
      type: "fragment",
      sequence: most,
      clockMs: most,
      message: most,
      left: most,
      octets: messages,
    });
    expect(fragment.length).toBeLessThanOrEqual(FRAME_BYTES_MAX + 4);
    expect(read(fragment).error).toBeUndefined();
  });
});
