import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { DuowireError } from "../../src/base/errors.js";
import { COUNT_MAX, DEPTH_MAX } from "../../src/base/messagepack.js";
import { MalformedOctets, OctetReader, OctetWriter } from "../../src/base/octets.js";
import { MESSAGE_CHARS_MAX, RemoteError, STACK_CHARS_MAX } from "../../src/rpc/remote-error.js";
import {
  BIGINT_BYTES_MAX,
  type EncodeHooks,
  ERROR_COUNT,
  ERRORS_DEPTH_MAX,
  EXTENSION_COUNT,
  REGEXP_CHARS_MAX,
  ValueDecoder,
  ValueEncoder,
} from "../../src/rpc/values.js";
import { failure, fuzzEach, fuzzSeeds, worstOf } from "../support/failures.js";
import { endOf, hostileOctets, randomOf } from "./value-fuzz.js";
import { build, describe, fromHex, Lent, type Notation } from "./value-notation.js";

// A failure is reported as far as it was made smaller by then.
fc.configureGlobal({ interruptAfterTimeLimit: 10_000 });

const UNKNOWN_NUMBER = 16_383;
const encodeHooks: EncodeHooks = { reference: (value) => (value instanceof Lent ? value : undefined) };
const decoder = new ValueDecoder({
  reference(type, number, kind) {
    if (number === UNKNOWN_NUMBER) throw new DuowireError("reference_unknown");
    return new Lent(type, number, kind);
  },
});

function encoded(value: unknown, hooks = encodeHooks): Uint8Array<ArrayBuffer> {
  const writer = new OctetWriter();
  new ValueEncoder(hooks).encode(writer, value);
  return writer.take();
}

function decoded(octets: Uint8Array): unknown {
  const reader = new OctetReader(octets);
  const value = decoder.decode(reader);
  expect(reader.remaining).toBe(0);
  return value;
}

const crossed = (value: unknown): unknown => decoded(encoded(value));

/** The message of the sender's refusal. */
function refusal(value: unknown): string {
  const error = failure(() => encoded(value));
  expect(error).toBeInstanceOf(DuowireError);
  expect((error as DuowireError).code).toBe("invalid_argument");
  return (error as DuowireError).message;
}

/** The code with which the receiver refuses well-formed octets; what comes behind them must still be readable. */
function refusedCode(octets: Uint8Array): string {
  const reader = new OctetReader(new Uint8Array([...octets, 0x2a]));
  const error = failure(() => decoder.decode(reader));
  expect(error).toBeInstanceOf(DuowireError);
  expect(decoder.decode(reader)).toBe(42);
  return (error as DuowireError).code;
}

interface Vector {
  readonly name: string;
  readonly hex: string;
  readonly value: Notation;
  readonly code: string;
}
const vectorsUrl = new URL("../../spec/vectors/values.json", import.meta.url);
const vectors = JSON.parse(readFileSync(vectorsUrl, "utf8")) as Record<string, readonly Vector[]>;

test("ValueEncoder and ValueDecoder agree with the golden octets", () => {
  for (const { name, hex, value } of vectors.values ?? []) {
    expect(Buffer.from(encoded(build(value))).toString("hex"), name).toBe(hex);
    expect(describe(decoded(fromHex(hex))), name).toStrictEqual(describe(build(value)));
  }
  expect(vectors.values?.length).toBeGreaterThan(60);
});

test("ValueDecoder takes the golden octets that it would write otherwise", () => {
  for (const { name, hex, value } of vectors.accepted ?? []) {
    expect(describe(decoded(fromHex(hex))), name).toStrictEqual(describe(build(value)));
  }
});

test("ValueDecoder calls the malformed golden octets malformed", () => {
  for (const { name, hex } of vectors.malformed ?? []) {
    expect(
      failure(() => decoder.decode(new OctetReader(fromHex(hex)))),
      name,
    ).toBeInstanceOf(MalformedOctets);
  }
});

test("ValueDecoder refuses the refused golden octets and reads on behind them", () => {
  for (const { name, hex, code } of vectors.refused ?? []) expect(refusedCode(fromHex(hex)), name).toBe(code);
});

const text = fc.string({ unit: "binary", maxLength: 40 });
const key = text.filter((one) => one !== "__proto__");
const octets = fc.uint8Array({ maxLength: 16 }).map((one) => one.slice());
const lent = fc
  .tuple(fc.constantFrom(16, 17, 18, 19, 20), fc.maxSafeInteger().map(Math.abs), fc.nat(1))
  .filter(([, number]) => number !== UNKNOWN_NUMBER)
  .map(([type, number, kind]) => new Lent(type as 16, number, type % 2 === 0 && type < 20 ? kind : 0));
const leaf = fc.oneof(
  fc.constantFrom(null, undefined, true, false, Number.NaN, -0),
  fc.double(),
  fc.maxSafeInteger(),
  fc.integer({ min: -300, max: 300 }),
  fc.bigInt(),
  text,
  fc.date({ noInvalidDate: true }),
  fc.webUrl().map((url) => new URL(url)),
  octets,
  octets.map((one) => one.buffer),
  octets.map((one) => new DataView(one.buffer)),
  octets.map((one) => new Float32Array(one.buffer, 0, one.length >> 2)),
  octets.map((one) => new BigInt64Array(one.buffer, 0, one.length >> 3)),
  fc.constantFrom(/a+(b)?/giu, /(?:)/, /\/[/]\n/),
  lent,
);
const { value: anyValue } = fc.letrec((tie) => {
  const value = tie("value");
  const several = fc.array(value, { maxLength: 6 });
  return {
    value: fc.oneof(
      { maxDepth: 4 },
      leaf,
      several,
      fc.dictionary(key, value, { maxKeys: 6, noNullPrototype: true }),
      several.map((values) => new Set(values)),
      fc.array(fc.tuple(value, value), { maxLength: 4 }).map((entries) => new Map(entries)),
      fc.tuple(text, fc.array(leaf.filter((one) => !(one instanceof Lent)))).map(([message, data]) => {
        return Object.assign(new RangeError(message, { cause: new Error("cause") }), { data, code: message.length });
      }),
    ),
  };
});

test("ValueDecoder gives back what ValueEncoder was given, and the octets depend on nothing else", () => {
  fc.assert(
    fc.property(anyValue, (value) => {
      const octets = encoded(value);
      expect(describe(decoded(octets))).toStrictEqual(describe(value));
      expect(encoded(value)).toEqual(octets);
    }),
    { numRuns: 500 },
  );
});

test("ValueDecoder calls every truncation malformed", () => {
  fc.assert(
    fc.property(anyValue, (value) => {
      const octets = encoded(value);
      for (let end = 0; end < octets.length; end++) {
        expect(failure(() => decoder.decode(new OctetReader(octets, 0, end)))).toBeInstanceOf(MalformedOctets);
      }
    }),
  );
});

test("ValueEncoder names what cannot be sent, where it is, and what to do", () => {
  class Socket {}
  const user = { socket: new Socket() };
  const writer = new OctetWriter();
  const error = failure(() => new ValueEncoder().encode(writer, [{ user }], "arguments"));
  expect((error as Error).message).toBe(
    "arguments[0].user.socket cannot be sent: it is an instance of Socket: " +
      "send a plain object, or extend Target to lend it",
  );
  expect(writer.length).toBe(0);
  expect(refusal(Promise.resolve())).toMatch(/an instance of Promise: await it$/);
  expect(refusal({ f: () => 1 })).toBe("value.f cannot be sent: it is a function, and none may be here");
  expect(refusal(Symbol("s"))).toMatch(/a symbol/);
  expect(refusal(new Date(Number.NaN))).toMatch(/an invalid Date/);
  for (const value of [Object(1), Object("s"), Object(1n), new WeakMap(), new Proxy(new Socket(), {})]) {
    expect(refusal([value])).toMatch(/^value\[0\] cannot be sent: it is an instance of /);
  }
});

test("ValueEncoder takes no instance of a subclass for what it extends", () => {
  for (const value of [new (class A extends Map {})(), new (class B extends Date {})()]) {
    expect(refusal(value)).toMatch(/an instance of [AB]:/);
  }
});

test("ValueEncoder refuses shared and detached memory", () => {
  const gone = new ArrayBuffer(8);
  const view = new Float64Array(gone);
  structuredClone(gone, { transfer: [gone] });
  for (const value of [gone, view, new DataView(new SharedArrayBuffer(8)), new SharedArrayBuffer(8)]) {
    expect(refusal({ value })).toMatch(/^value\.value cannot be sent: /);
  }
});

test("ValueEncoder refuses a revoked proxy and takes a proxy of a plain object", () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  expect(refusal([proxy])).toMatch(/^value\[0\] cannot be sent: reading it failed/);
  expect(crossed(new Proxy({ a: 1 }, {}))).toStrictEqual({ a: 1 });
});

test("ValueEncoder keeps undefined, fills holes with it, and leaves symbols out", () => {
  expect(crossed({ a: undefined, [Symbol("s")]: 1 })).toStrictEqual({ a: undefined });
  // biome-ignore lint/suspicious/noSparseArray: holes are what is tested
  expect(crossed([1, , 3])).toStrictEqual([1, undefined, 3]);
});

test("ValueDecoder takes a thenable and names of methods for data", async () => {
  const value = JSON.parse('{"then":"data","constructor":1,"toJSON":2,"valueOf":null}') as unknown;
  expect(crossed(value)).toStrictEqual(value);
  expect(await Promise.resolve(crossed(value))).toStrictEqual(value);
});

test("ValueEncoder and ValueDecoder keep to the limits of a bigint", () => {
  const most = 2n ** BigInt(8 * BIGINT_BYTES_MAX) - 1n;
  expect(crossed([most, -most])).toStrictEqual([most, -most]);
  expect(refusal(most + 1n)).toMatch(/more than 4096 octets/);
});

test("ValueEncoder and ValueDecoder keep to the limit of a regular expression", () => {
  const most = new RegExp("a".repeat(REGEXP_CHARS_MAX));
  expect(crossed(most)).toStrictEqual(most);
  expect(refusal(new RegExp(`${most.source}a`))).toMatch(/more than 4096 characters/);
});

test("ValueEncoder and ValueDecoder count an extension as EXTENSION_COUNT", () => {
  const each = 1 + EXTENSION_COUNT;
  const most: unknown[] = new Array(Math.floor(COUNT_MAX / each)).fill(new URL("a:b"));
  most.push(...new Array(COUNT_MAX - most.length * each).fill(null));
  expect(crossed(most)).toHaveLength(most.length);
  expect(refusal([...most, null])).toMatch(/more than 1000000 values/);
  const over = encoded(most.slice(0, -1)).slice(3);
  const octets = new Uint8Array([...fromHex(`dd ${(most.length + 1).toString(16).padStart(8, "0")}`), ...over, 0, 0]);
  expect(() => decoder.decode(new OctetReader(octets))).toThrow(MalformedOctets);
});

test("ValueEncoder and ValueDecoder count errors more than other extensions", () => {
  const each = 1 + 2 * 2 + EXTENSION_COUNT + ERROR_COUNT;
  const most: unknown[] = new Array(Math.floor(COUNT_MAX / each)).fill(new Error("m"));
  expect(crossed(most)).toHaveLength(most.length);
  expect(refusal([...most, most[0]])).toMatch(/more than 1000000 values/);
});

test("ValueEncoder and ValueDecoder count the levels inside extensions", () => {
  const nested = (levels: number): unknown => (levels === 0 ? 1 : new Set([nested(levels - 1)]));
  expect(crossed(nested(DEPTH_MAX))).toStrictEqual(nested(DEPTH_MAX));
  expect(refusal(nested(DEPTH_MAX + 1))).toMatch(/64 levels/);
});

test("ValueDecoder makes of an error a RemoteError and nothing else", () => {
  const sent = Object.assign(new TypeError("no", { cause: new RangeError("why") }), { code: "E_NO", data: { a: 1 } });
  const error = crossed(sent) as RemoteError;
  expect(error).toBeInstanceOf(RemoteError);
  expect(error).not.toBeInstanceOf(TypeError);
  expect(error).toMatchObject({ name: "TypeError", message: "no", code: "E_NO", data: { a: 1 }, remote: true });
  expect(error.cause).toBeInstanceOf(RemoteError);
  expect(error.stack).toBe("TypeError: no");
  expect(Object.getOwnPropertyDescriptor(error, "stack")?.enumerable).toBe(false);
  const several = crossed(new AggregateError([new Error("a"), 2], "both")) as RemoteError;
  expect(several.errors).toMatchObject([{ message: "a" }, 2]);
  expect(crossed(new DuowireError("queue_full"))).toMatchObject({ name: "DuowireError", code: "queue_full" });
  expect(describe(crossed(error))).toStrictEqual(describe(error));
});

test("ValueEncoder sends no stack unless it is told to, and cuts what is long", () => {
  const long = Object.assign(new Error("m".repeat(MESSAGE_CHARS_MAX + 1)), { stack: "s".repeat(STACK_CHARS_MAX + 1) });
  expect((crossed(long) as Error).message).toHaveLength(MESSAGE_CHARS_MAX);
  expect((crossed(long) as Error).stack).not.toContain("ss");
  const withStack = decoded(encoded(long, { stacks: true })) as Error;
  expect(withStack.stack).toHaveLength(STACK_CHARS_MAX);
  const names = ["constructor", "__proto__", "a b", "", "x".repeat(65), "Error\nat"].map((name) => {
    return (crossed(Object.assign(new Error("m"), { name })) as Error).name;
  });
  expect(names).toStrictEqual(["constructor", "__proto__", "Error", "Error", "Error", "Error"]);
});

test("ValueEncoder leaves out of an error what cannot cross, and asks no hook for it", () => {
  const lent = new Lent(16, 1, 0);
  const sent = Object.assign(new Error("m", { cause: { deep: [1, () => 1] } }), { data: [lent], code: {} });
  expect(describe(crossed([sent, lent]))).toStrictEqual(describe([new Error("m"), lent]));
  // What was tried counts for nothing: neither its depth nor its size.
  const deep = (levels: number, end: unknown): unknown => (levels === 0 ? end : [deep(levels - 1, end)]);
  const data = [new Array(900_000).fill(0), deep(61, () => 1)];
  const tried = Object.assign(new Error("m", { cause: deep(62, new Array(500_000).fill(0)) }), { data });
  expect(describe((crossed(tried) as Error).cause)).toStrictEqual(describe(tried.cause));
});

test("ValueEncoder leaves out an error that is inside itself, and what errors share again and again", () => {
  const attempts = Array.from({ length: 7 }, (_, n) => new Error(`attempt ${n}`));
  const all = new AggregateError(attempts, "all failed");
  for (const attempt of attempts) attempt.cause = all;
  const { errors } = crossed(all) as AggregateError;
  expect(errors.map(({ message, cause }) => [message, cause])).toEqual(
    attempts.map(({ message }) => [message, undefined]),
  );
  // No cycle: 7 ways lead from each level to the next one, and all of them are too deep at the end.
  let reads = 0;
  let shared = new Error("root");
  for (let level = 0; level < 20; level++) {
    const parts = Array.from({ length: 7 }, () => new Error("part", { cause: shared }));
    shared = Object.defineProperty(new AggregateError(parts), "message", { get: () => `${++reads}` });
  }
  expect((crossed(shared) as Error).message).toBe("1");
  expect(reads).toBeLessThan(50_000);
});

test("ValueDecoder cuts errors that are inside too many others", () => {
  let body = "d4 08 80";
  for (let i = 0; i < 40; i++) {
    const octets = fromHex(`81 a5 6361757365 ${body}`);
    body = `c8 ${octets.length.toString(16).padStart(4, "0")} 08 ${Buffer.from(octets).toString("hex")}`;
  }
  let depth = 0;
  for (let at: unknown = decoded(fromHex(body)); at; at = (at as Error).cause) depth++;
  expect(depth).toBe(ERRORS_DEPTH_MAX);
});

test("ValueDecoder takes references also out of a value that it refuses", () => {
  const taken: number[] = [];
  const counting = new ValueDecoder({ reference: (_type, number) => taken.push(number) });
  const octets = fromHex("94 d5 10 01 00 d4 20 00 81 a1 61 d5 10 02 00 d5 05 a1 61");
  expect(() => counting.decode(new OctetReader(octets))).toThrow(/extension 32/);
  expect(taken).toStrictEqual([1, 2]);
  for (const octets of ["d5 11 03 00", "d4 10 03 00"]) {
    expect(() => counting.decode(new OctetReader(fromHex(octets)))).toThrow(MalformedOctets);
  }
  expect(taken).toStrictEqual([1, 2]);
  expect(() => new ValueDecoder().decode(new OctetReader(fromHex("d5 10 01 00")))).toThrow(DuowireError);
});

test("ValueDecoder stays quick and small in front of hostile octets", () => {
  const repeat = (unit: string, times: number): Uint8Array => {
    const head = `dd ${times.toString(16).padStart(8, "0")}`;
    return fromHex(head + unit.repeat(times));
  };
  const heavy = Math.floor(COUNT_MAX / (1 + EXTENSION_COUNT));
  const cases = [
    ...[repeat("d44001", 3_333_333), repeat("d44001", heavy), repeat("c70000", COUNT_MAX), repeat("91", COUNT_MAX)],
    ...[repeat("d505a161", heavy), repeat("d40390", heavy), repeat("d40880", 12_300), repeat("d50600", heavy)],
    ...[fromHex("91".repeat(5_000_000)), fromHex("d402".repeat(5_000_000)), repeat("c400", COUNT_MAX)],
  ];
  for (const octets of cases) {
    const before = performance.now();
    try {
      decoder.decode(new OctetReader(octets));
    } catch (error) {
      expect(error instanceof MalformedOctets || error instanceof DuowireError).toBe(true);
    }
    expect(performance.now() - before).toBeLessThan(1_000);
  }
});

const { values = [], blobs = [] } = vectors;
const samples = [...values, ...blobs, ...(vectors.accepted ?? []), ...(vectors.refused ?? [])]
  .map(({ hex }) => fromHex(hex))
  .filter(({ length }) => length < 300);

/** Decodes; undefined when the octets are malformed. */
function received(octets: Uint8Array): { value: unknown; offset: number; tookMs: number } | undefined {
  const reader = new OctetReader(octets);
  const before = performance.now();
  let value: unknown;
  try {
    value = decoder.decode(reader);
  } catch (error) {
    if (error instanceof MalformedOctets) return undefined;
    if (!(error instanceof DuowireError)) throw error;
  }
  return { value, offset: reader.offset, tookMs: performance.now() - before };
}

/** One seed: only the two kinds of failure, the reader behind the value unless it is malformed, quick, no pollution. */
function fuzz(seed: number): void {
  const octets = hostileOctets(randomOf(seed), samples);
  const first = received(octets);
  if (!first) return;
  const { value, offset, tookMs } = first;
  worst.note(tookMs, seed);
  // A slow one gets a second try: a busy machine is no finding.
  if (tookMs > 250 && Number(received(octets)?.tookMs) > 250) throw new Error(`took ${tookMs} ms`);
  if (offset !== endOf(octets)) throw new Error(`the reader stands at ${offset}, not at ${endOf(octets)}`);
  if (Reflect.ownKeys(Object.prototype).length !== prototypeKeys) throw new Error("Object.prototype was changed");
  // What was taken can be sent again and is the same then, but for errors, whose fields are cut and checked, and for
  // Blobs, which are read first (blobs.test.ts).
  const again = describe(value);
  const text = JSON.stringify(again);
  if (!/"error"|"blob"/.test(text) && JSON.stringify(describe(crossed(value))) !== text) throw new Error("changed");
}

const worst = worstOf("a value that is read");
const prototypeKeys = Reflect.ownKeys(Object.prototype).length;

test("ValueDecoder survives every seed", { timeout: 20_000 + fuzzSeeds }, () => {
  fuzzEach("test/rpc/values.test.ts", fuzz);
  worst.tell(fuzzSeeds);
});
