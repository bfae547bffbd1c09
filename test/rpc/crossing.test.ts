/** Values of all kinds between two peers, both ways: what a method gets is what its caller gave, and back. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { OctetReader, OctetWriter } from "../../src/base/octets.js";
import { ValueDecoder, ValueEncoder } from "../../src/rpc/values.js";
import { Pair } from "./support.js";
import { describe } from "./value-notation.js";

type Echo = { echo(...values: unknown[]): unknown };

/** Two peers that remember what their methods were given. */
function echoes() {
  const seen: unknown[][] = [];
  const root: Echo = {
    echo: (...values) => {
      seen.push(values);
      return values[0];
    },
  };
  return { seen, pair: new Pair<Echo, Echo>(root, root) };
}

const text = fc.string({ unit: "binary", maxLength: 20 });
const octets = fc.uint8Array({ maxLength: 40 }).map((one) => one.slice());
const buffer = octets.map((one) => one.buffer as ArrayBuffer);
/** A view somewhere inside a larger buffer. */
const view = fc.tuple(fc.nat(10), fc.nat(3), fc.nat(3)).map(([kind, before, length]) => {
  const kinds = [
    ...[Int8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array],
    ...[Float32Array, Float64Array, BigInt64Array, BigUint64Array, DataView],
  ];
  const View = kinds[kind] as typeof DataView & { BYTES_PER_ELEMENT?: number };
  const size = View.BYTES_PER_ELEMENT ?? 1;
  return new View(Uint8Array.from({ length: 64 }, (_, i) => i * 7).buffer, before * size, length);
});
const { value } = fc.letrec((tie) => {
  const several = fc.array(tie("value"), { maxLength: 5 });
  return {
    value: fc.oneof(
      { maxDepth: 4 },
      fc.oneof(
        fc.constantFrom(null, undefined, Number.NaN, -0, Number.POSITIVE_INFINITY, /a/gu, new URL("https://a.b/c?d#e")),
        ...[fc.double(), fc.maxSafeInteger(), fc.bigInt(), text, fc.boolean(), octets, buffer, view],
        fc.date({ noInvalidDate: true }),
      ),
      several,
      fc.dictionary(
        text.filter((key) => key !== "__proto__"),
        tie("value"),
        { maxKeys: 5 },
      ),
      several.map((values) => new Set(values)),
      fc.array(fc.tuple(tie("value"), tie("value")), { maxLength: 3 }).map((entries) => new Map(entries)),
      fc.tuple(text, tie("value")).map(([message, data]) => Object.assign(new RangeError(message), { data })),
    ),
  };
});

test("a value crosses as an argument and comes back as the result, both ways", async () => {
  const { seen, pair } = echoes();
  const property = fc.asyncProperty(value, fc.boolean(), async (one, isBack) => {
    const result = await pair.answer((isBack ? pair.remoteA : pair.remoteB).echo(one, one));
    const expected = describe(one);
    expect(seen.pop()?.map(describe)).toStrictEqual([expected, expected]);
    expect(describe(result)).toStrictEqual(expected);
  });
  await fc.assert(property, { numRuns: 300 });
  expect(pair.a.told.bugs).toStrictEqual([]);
});

test("nothing that is received has a prototype but that of its kind, and nothing of it is called", async () => {
  const { seen, pair } = echoes();
  const names = ["constructor", "prototype", "then", "toJSON", "valueOf", "toString", "__defineGetter__", "length"];
  const property = fc.asyncProperty(fc.dictionary(fc.constantFrom(...names), value), async (one) => {
    const result = (await pair.answer(pair.remoteB.echo(one))) as object;
    for (const received of [result, seen.pop()?.[0] as object]) {
      expect(Object.getPrototypeOf(received)).toBe(Object.prototype);
      expect(describe(received)).toStrictEqual(describe(one));
    }
  });
  await fc.assert(property, { numRuns: 100 });
});

class Money {
  readonly amount = 5;

  toJSON(): number {
    return this.amount;
  }
}

test("what cannot be sent is refused at once, says where it is and what to do, and nothing leaves", async () => {
  const { pair } = echoes();
  const cyclic: unknown[] = [];
  cyclic.push([cyclic]);
  const gone = new ArrayBuffer(8);
  const goneView = new Uint8Array(gone);
  structuredClone(gone, { transfer: [gone] });
  const getter = {
    get a(): never {
      throw new Error("on purpose");
    },
  };
  const cases: [unknown, RegExp][] = [
    [new Money(), /an instance of Money: send a plain object, or extend Target/],
    [Object.create({ inherited: 1 }), /an instance of Object/],
    [cyclic, /64 levels deep, or cyclic/],
    [Symbol("s"), /a symbol/],
    [Promise.resolve(1), /await it/],
    [new Date(Number.NaN), /an invalid Date/],
    [new WeakMap(), /an instance of WeakMap/],
    [new SharedArrayBuffer(8), /an instance of SharedArrayBuffer/],
    [new Uint8Array(new SharedArrayBuffer(8)), /shared memory: send a copy/],
    [gone, /reading it failed/],
    [goneView, /reading it failed/],
    [getter, /reading it failed/],
    [JSON.parse('{"__proto__":1}'), /no key may have this name/],
  ];
  for (const [cannot, why] of cases) {
    const error = await pair.failure(pair.remoteB.echo(1, { order: [cannot] }));
    expect(error).toMatchObject({ code: "invalid_argument", outcome: "not_sent" });
    expect(error.message).toMatch(/^arguments\[1\]\.order\[0\]/);
    expect(error.message).toMatch(why);
  }
  expect(pair.b.sink.messages).toHaveLength(0);
  expect(await pair.answer(pair.remoteB.echo(1))).toBe(1);
});

test("what JavaScript has beside the value does not cross: holes, symbols, lone surrogates, lastIndex, more of a buffer", async () => {
  const { pair } = echoes();
  const regexp = /a/gy;
  regexp.lastIndex = 3;
  // biome-ignore lint/suspicious/noSparseArray: holes are what is tested
  const sent = [[1, , 3], { [Symbol("s")]: 1, a: undefined }, "\ud800x", regexp, new Uint8Array(64).subarray(8, 10)];
  const [list, object, lone, expression, part] = (await pair.answer(pair.remoteB.echo(sent))) as typeof sent;
  expect([list, object, lone]).toStrictEqual([[1, undefined, 3], { a: undefined }, "\ufffdx"]);
  expect(expression).toStrictEqual(/a/gy);
  expect((part as Uint8Array).buffer.byteLength).toBe(2);
});

test("a large array of octets is copied once by each side", () => {
  const large = new Uint8Array(8_388_608).fill(7);
  let message = new Uint8Array();
  const sent = countAllocations(() => {
    const writer = new OctetWriter();
    new ValueEncoder().encode(writer, [large, "and some more"]);
    message = writer.take();
  });
  expect(sent / large.length).toBeLessThan(1.1);
  const received = countAllocations(() => {
    const [octets] = new ValueDecoder().decode(new OctetReader(message)) as [Uint8Array];
    expect(octets.buffer.byteLength).toBe(large.length);
    expect(octets.buffer).not.toBe(message.buffer);
  });
  expect(received / large.length).toBeLessThan(1.1);
});

/** Octets of array buffers that `run` allocates; nothing is collected meanwhile that was allocated before. */
function countAllocations(run: () => void): number {
  const before = process.memoryUsage().arrayBuffers;
  run();
  return process.memoryUsage().arrayBuffers - before;
}
