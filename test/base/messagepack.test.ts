import { decode as peerDecode, encode as peerEncode } from "@msgpack/msgpack";
import fc from "fast-check";
import { expect, test } from "vitest";
import { DuowireError } from "../../src/base/errors.js";
import { COUNT_MAX, DEPTH_MAX, decodePlain, Encoder, encodePlain } from "../../src/base/messagepack.js";
import { MalformedOctets, OctetReader, OctetWriter } from "../../src/base/octets.js";
import { failure } from "../support/failures.js";

// A failure is reported as far as it was made smaller by then.
fc.configureGlobal({ interruptAfterTimeLimit: 10_000 });

function encoded(value: unknown): Uint8Array<ArrayBuffer> {
  const writer = new OctetWriter();
  encodePlain(writer, value);
  return writer.take();
}

function decoded(octets: Uint8Array): unknown {
  const reader = new OctetReader(octets);
  const value = decodePlain(reader);
  expect(reader.remaining).toBe(0);
  return value;
}

function hex(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text.replaceAll(" ", ""), "hex"));
}

function refusal(value: unknown): string {
  const error = failure(() => encoded(value));
  expect(error).toBeInstanceOf(DuowireError);
  expect((error as DuowireError).code).toBe("invalid_argument");
  return (error as DuowireError).message;
}

function nested(levels: number): unknown {
  let value: unknown = null;
  for (let i = 0; i < levels; i++) value = [value];
  return value;
}

const text = fc.string({ unit: "binary" });
const scalar = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.maxSafeInteger(),
  fc.integer({ min: -70_000, max: 70_000 }),
  fc.double(),
  text,
  fc.string({ minLength: 20, maxLength: 300 }),
  fc.uint8Array(),
);
const { value: plain } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    scalar,
    fc.array(tie("value"), { maxLength: 20 }),
    fc.dictionary(
      text.filter((key) => key !== "__proto__"),
      tie("value"),
      { maxKeys: 20, noNullPrototype: true },
    ),
  ),
}));

function holdsMinusZero(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return Object.is(value, -0);
  return Object.values(value).some(holdsMinusZero);
}

test("encodePlain and decodePlain give back what they were given", () => {
  fc.assert(
    fc.property(plain, (value) => {
      const octets = encoded(value);
      expect(decoded(octets)).toStrictEqual(value);
      expect(encoded(value)).toEqual(octets);
    }),
  );
});

test("encodePlain writes the octets of @msgpack/msgpack", () => {
  fc.assert(
    fc.property(plain, (value) => {
      // The peer writes -0 as 0.
      if (!holdsMinusZero(value)) expect(encoded(value)).toEqual(new Uint8Array(peerEncode(value)));
      expect(peerDecode(encoded(value))).toStrictEqual(value);
    }),
  );
});

test("decodePlain reads what @msgpack/msgpack writes", () => {
  fc.assert(
    fc.property(plain, fc.boolean(), (value, forceFloat32) => {
      const octets = peerEncode(value, { forceFloat32, sortKeys: true });
      expect(decoded(octets)).toStrictEqual(peerDecode(octets));
    }),
  );
});

test("decodePlain reads each size of integer as @msgpack/msgpack does", () => {
  const steps = [0, 7, 8, 15, 16, 31, 32, 52, 53].flatMap((bits) => [-1, 0, 1].map((near) => 2 ** bits + near));
  for (const step of steps) {
    for (const value of [step, -step]) {
      const octets = encoded(value);
      expect(Object.is(decoded(octets), value)).toBe(true);
      if (!Object.is(value, -0)) expect(octets).toEqual(new Uint8Array(peerEncode(value)));
    }
  }
  expect(decoded(hex("cf ffffffffffffffff"))).toBe(2n ** 64n - 1n);
  expect(decoded(hex("cf 0020000000000000"))).toBe(2n ** 53n);
  expect(decoded(hex("cf 001fffffffffffff"))).toBe(2 ** 53 - 1);
  expect(decoded(hex("d3 8000000000000000"))).toBe(-(2n ** 63n));
  expect(decoded(hex("d3 ffe0000000000001"))).toBe(-(2 ** 53 - 1));
});

test("encodePlain and decodePlain agree on texts around each size of head", () => {
  for (const length of [0, 1, 23, 24, 31, 32, 40, 41, 255, 256, 65_535, 65_536]) {
    for (const unit of ["a", "é", "接", "🙂", "a接"]) {
      const value = unit.repeat(length);
      const octets = encoded(value);
      expect(Buffer.compare(octets, peerEncode(value))).toBe(0);
      expect(decoded(octets)).toBe(value);
    }
  }
});

test("encodePlain and decodePlain agree on arrays, maps and octets around each size of head", () => {
  for (const length of [0, 15, 16, 255, 256, 65_535, 65_536]) {
    const array = Array.from({ length }, (_, i) => i);
    const map = Object.fromEntries(array.map((i) => [`k${i}`, i]));
    for (const value of [array, map, new Uint8Array(length).fill(7)]) {
      const octets = encoded(value);
      expect(Buffer.compare(octets, peerEncode(value))).toBe(0);
      expect(decoded(octets)).toEqual(value);
    }
  }
});

test("decodePlain calls every truncation malformed", () => {
  fc.assert(
    fc.property(plain, (value) => {
      const octets = encoded(value);
      const step = Math.ceil(octets.length / 200);
      for (let end = 0; end < octets.length; end += step) {
        // The octets behind the end are there, as in a slab: they must not be looked at.
        expect(failure(() => decodePlain(new OctetReader(octets, 0, end)))).toBeInstanceOf(MalformedOctets);
        expect(failure(() => decodePlain(new OctetReader(octets.slice(0, end))))).toBeInstanceOf(MalformedOctets);
      }
    }),
  );
});

test("decodePlain allocates nothing for a length that is not there", () => {
  for (const head of ["dd ffffffff", "df ffffffff", "db ffffffff", "c6 ffffffff", "c9 ffffffff 01", "dc ffff", "8f"]) {
    expect(failure(() => decodePlain(new OctetReader(hex(head))))).toBeInstanceOf(MalformedOctets);
  }
  expect(() => decodePlain(new OctetReader(hex("dd 000f4240 00")))).toThrow(/beyond the end/);
  expect(() => decodePlain(new OctetReader(hex("df 0007a120 00")))).toThrow(/beyond the end/);
});

test("encodePlain takes 64 levels and refuses 65 and cycles", () => {
  expect(decoded(encoded(nested(DEPTH_MAX)))).toEqual(nested(DEPTH_MAX));
  expect(refusal(nested(DEPTH_MAX + 1))).toMatch(/^value(\[0\]){64} cannot be sent: it is more than 64 levels deep/);
  expect(refusal(nested(100_000))).toMatch(/64 levels/);
  const cyclic: Record<string, unknown> = {};
  cyclic.self = { cyclic };
  expect(refusal(cyclic)).toMatch(/^value\.self\.cyclic\.self.* cyclic$/);
});

test("decodePlain takes 64 levels and calls 65 malformed", () => {
  for (const unit of ["91", "81 a161"]) {
    expect(() => decoded(hex(`${unit.repeat(DEPTH_MAX)}c0`))).not.toThrow();
    expect(() => decoded(hex(`${unit.repeat(DEPTH_MAX + 1)}c0`))).toThrow(MalformedOctets);
    expect(() => decoded(hex(`${unit.repeat(100_000)}c0`))).toThrow(MalformedOctets);
  }
});

test("encodePlain and decodePlain take as many values as COUNT_MAX and no more", () => {
  const most = new Array(COUNT_MAX - 1).fill(0);
  expect(decoded(encoded([most]))).toHaveLength(1);
  expect(refusal([most, 0])).toMatch(/^value\[0\] cannot be sent: there are more than 1000000 values/);
  const over = new Uint8Array(COUNT_MAX + 6).fill(0xc0);
  over.set(hex("dd 000f4241"));
  expect(() => decodePlain(new OctetReader(over))).toThrow(MalformedOctets);
  over.set(hex("dd 000f4240"));
  expect(() => decodePlain(new OctetReader(over))).not.toThrow();
});

test("encodePlain counts octets of their own four times", () => {
  const empty = new Uint8Array();
  const most = new Array(COUNT_MAX / 5).fill(empty);
  expect(decoded(encoded(most))).toHaveLength(COUNT_MAX / 5);
  expect(refusal([...most, empty])).toMatch(/more than 1000000 values/);
});

test("encodePlain writes nothing when it fails", () => {
  const writer = new OctetWriter();
  writer.u8(7);
  expect(() => encodePlain(writer, [1, "two", () => 3])).toThrow(DuowireError);
  expect(writer.take()).toEqual(hex("07"));
});

test("encodePlain writes the same whatever the size of the buffer that it starts with", () => {
  const value = [300, -300, 70_000, 2 ** 40, 0.5, "short", "long".repeat(20), "接続", new Uint8Array(9), { key: null }];
  const octets = encoded(value);
  for (let initialBytes = 0; initialBytes <= octets.length; initialBytes++) {
    const writer = new OctetWriter(initialBytes);
    encodePlain(writer, value);
    expect(writer.take()).toEqual(octets);
  }
});

test("encodePlain names the path to what cannot be sent", () => {
  const bad = Symbol("bad");
  expect(refusal(bad)).toBe("value cannot be sent: it is no plain data");
  expect(refusal([{ user: { socket: bad } }])).toBe("value[0].user.socket cannot be sent: it is no plain data");
  expect(refusal({ "a b\n": { 0: bad } })).toBe('value["a b\\n"]["0"] cannot be sent: it is no plain data');
  expect(refusal({ ["k".repeat(10_000)]: bad }).length).toBeLessThan(400);
  const writer = new OctetWriter();
  expect(() => new Encoder().encode(writer, [bad], "arguments")).toThrow(/^arguments\[0\] cannot/);
});

test("encodePlain takes own enumerable keys only and asks a getter once", () => {
  let asked = 0;
  const value = Object.create(null) as Record<PropertyKey, unknown>;
  Object.defineProperty(value, "hidden", { value: 1, enumerable: false });
  Object.defineProperty(value, "asked", { get: () => ++asked, enumerable: true });
  value[Symbol("s")] = 2;
  expect(decoded(encoded(value))).toEqual({ asked: 1 });
  expect(asked).toBe(1);
});

test("encodePlain turns what a getter throws into invalid_argument", () => {
  const thrown = new RangeError("mine");
  const value = {
    get a(): never {
      throw thrown;
    },
  };
  const error = failure(() => encoded([value])) as DuowireError;
  expect(error.message).toBe("value[0].a cannot be sent: reading it failed");
  expect(error.cause).toBe(thrown);
});

test("Encoder refuses to be used by a getter that it runs, and works afterwards", () => {
  const encoder = new Encoder();
  const writer = new OctetWriter();
  const value = {
    get a(): unknown {
      return encoder.encode(writer, 1);
    },
  };
  expect(failure(() => encoder.encode(writer, value))).toBeInstanceOf(DuowireError);
  encoder.encode(writer, 5);
  expect(writer.take()).toEqual(hex("05"));
});

test("encodePlain refuses an own key named __proto__, and decodePlain calls it malformed", () => {
  expect(refusal(JSON.parse('{"a":{"__proto__":{"polluted":1}}}'))).toMatch(/^value\.a\.__proto__ cannot be sent/);
  const octets = peerEncode(Object.defineProperty({}, "__proto__", { value: { polluted: 1 }, enumerable: true }));
  expect(() => decoded(octets)).toThrow(MalformedOctets);
  expect("polluted" in {}).toBe(false);
});

test("decodePlain calls malformed what is not plain data", () => {
  for (const octets of ["c1", "81 01 02", "81 c0 02", "82 a161 01 a161 02", "d4 05 00", "c7 00 00", "a2 c328"]) {
    expect(failure(() => decodePlain(new OctetReader(hex(octets))))).toBeInstanceOf(MalformedOctets);
  }
});

test("decodePlain tells keys apart that share a slot of known keys", () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.string({ unit: fc.constantFrom("a", "b", "c", "é", "ÿ"), maxLength: 4 })), (keys) => {
      const value = Object.fromEntries(keys.map((key, i) => [key, i]));
      expect(decoded(encoded(value))).toStrictEqual(value);
    }),
  );
  // An octet above 7F alone is no UTF-8, also after a key was seen whose character has that number.
  for (let code = 0x80; code < 0x100; code++) {
    for (const before of ["", ..."abcdefghijklmnop"]) {
      const key = before + String.fromCharCode(code);
      expect(decoded(encoded({ [key]: 1 }))).toStrictEqual({ [key]: 1 });
      const octets = new Uint8Array([0x81, 0xa0 | key.length, ...Buffer.from(key, "latin1"), 1]);
      expect(() => decoded(octets)).toThrow(MalformedOctets);
    }
  }
});

test("decodePlain copies octets, also out of a Buffer", () => {
  const input = Buffer.from(encoded([new Uint8Array([1, 2, 3])]));
  const [octets] = decoded(input) as [Uint8Array];
  input.fill(0);
  expect(Object.getPrototypeOf(octets)).toBe(Uint8Array.prototype);
  expect([...octets]).toEqual([1, 2, 3]);
  expect(octets.buffer.byteLength).toBe(3);
});

test("encodePlain takes a Buffer and part of an array, and refuses shared and detached memory", () => {
  expect(decoded(encoded(Buffer.from("abc").subarray(1)))).toStrictEqual(new Uint8Array([0x62, 0x63]));
  expect(refusal(new Uint8Array(new SharedArrayBuffer(4)))).toMatch(/shared memory/);
  const gone = new Uint8Array(4);
  structuredClone(gone.buffer, { transfer: [gone.buffer] });
  expect(refusal([gone])).toBe("value[0] cannot be sent: reading it failed");
});

test("encodePlain makes U+FFFD of a lone surrogate and null prototypes ordinary", () => {
  expect(decoded(encoded("a\ud800b"))).toBe("a\ufffdb");
  expect(decoded(encoded("\udc00".repeat(50)))).toBe("\ufffd".repeat(50));
  expect(decoded(encoded(Object.create(null)))).toStrictEqual({});
});
