/** What reading a value may cost: different keys are counted, and nothing that fits into its limits takes long. */
import { expect, test } from "vitest";
import { DuowireError } from "../../src/base/errors.js";
import { KEYS_MAX } from "../../src/base/map-keys.js";
import { MalformedOctets, OctetReader, OctetWriter } from "../../src/base/octets.js";
import { ValueDecoder, ValueEncoder } from "../../src/rpc/values.js";
import { failure } from "../support/failures.js";

/** How many keys a receiver may overlook (spec/values.md, section 3). */
const OVERLOOKED = 512;
/** No value within a message of the default size takes longer to read. */
const DECODE_MS_MAX = 250;
/** So often it may take longer all the same: memory is collected as well. */
const TRIES = 4;
const decoder = new ValueDecoder();

function encoded(value: unknown): Uint8Array {
  const writer = new OctetWriter();
  new ValueEncoder().encode(writer, value);
  return writer.take();
}

/** `maps` maps of `keys` keys each, no two the same, in an array. */
function different(maps: number, keys: number, keyOf = (n: number) => `k${n.toString(36)}`): unknown[] {
  let n = 0;
  const one = () => Object.fromEntries(Array.from({ length: keys }, () => [keyOf(n++), 0]));
  return Array.from({ length: maps }, one);
}

test("ValueDecoder takes KEYS_MAX different keys, in one map or in many, and refuses a value with more", () => {
  for (const maps of [1, 16, 4_096]) {
    expect(decoder.decode(new OctetReader(encoded(different(maps, KEYS_MAX / maps))))).toHaveLength(maps);
  }
  for (const keyOf of [(n: number) => `k${n}`, (n: number) => `ä${n}`, (n: number) => `${"k".repeat(40)}${n}`]) {
    const octets = encoded(different(16, (KEYS_MAX + OVERLOOKED) / 16 + 1, keyOf));
    const reader = new OctetReader(new Uint8Array([...octets, 0x2a]));
    const error = failure(() => decoder.decode(reader));
    expect(error).toBeInstanceOf(DuowireError);
    expect(error).toMatchObject({ code: "invalid_argument", message: expect.stringContaining("different keys") });
    expect(decoder.decode(reader)).toBe(42);
  }
});

test("ValueDecoder counts different keys, not keys", () => {
  const rows = Array.from({ length: 20_000 }, (_, id) => ({ id, name: "n", ä: 1, [`${"k".repeat(40)}`]: 2 }));
  expect(decoder.decode(new OctetReader(encoded(rows)))).toHaveLength(rows.length);
  expect(decoder.decode(new OctetReader(encoded(rows.slice(0, 3))))).toStrictEqual(rows.slice(0, 3));
});

test("ValueEncoder says of an object with too many keys what to send instead", () => {
  const [object] = different(1, KEYS_MAX + 1);
  expect(failure(() => encoded({ object }))).toMatchObject({
    message: `value.object cannot be sent: it has more than ${KEYS_MAX} keys: send a Map`,
  });
  const map = new Map(Object.entries(object as object));
  expect(decoder.decode(new OctetReader(encoded(map)))).toStrictEqual(map);
});

/** As many Files as one value may have, nearly. */
function files(count: number): Uint8Array {
  const one = Buffer.from("d80993a3612f62a166cd1234070707070707", "hex");
  return Buffer.concat([Buffer.from([0xdd, 0, 0, count >> 8, count & 255]), ...Array(count).fill(one)]);
}

/** Octets of `count` pairs in maps of `keys`, without what a sender refuses. */
function pairs(count: number, keys: number, keyOf: (n: number) => string): Uint8Array {
  const writer = new OctetWriter();
  writer.u8(0xdd);
  writer.u32(Math.floor(count / keys));
  for (let n = 0; n < Math.floor(count / keys) * keys; n++) {
    if (n % keys === 0) {
      writer.u8(0xdf);
      writer.u32(keys);
    }
    const key = Buffer.from(keyOf(n));
    writer.u16(0xd900 | key.length);
    if (key.length < 32) {
      writer.length -= 2;
      writer.u8(0xa0 | key.length);
    }
    writer.octets(key);
    writer.u8(0);
  }
  return writer.take();
}

test("ValueDecoder reads no value of 4 MiB for longer than 250 ms, whatever its keys are", { timeout: 60_000 }, () => {
  const cases = [
    ...[1, 2, 10, 20, 50, 1_000, 330_000].map((keys) => pairs(330_000, keys, (n) => `k${n.toString(36)}`)),
    pairs(480_000, 480_000, (n) => String(4_294_967_294 - 7 * n)),
    pairs(130_000, 20, (n) => `${"k".repeat(20)}${n}`),
    pairs(65_000, 20, (n) => `${"k".repeat(50)}${n}`),
    pairs(65_000, 65_000, (n) => `ä${n}`),
    files(7_500),
  ];
  for (const [index, octets] of cases.entries()) {
    let tookMs = Number.POSITIVE_INFINITY;
    for (let tries = 0; tries < TRIES && tookMs >= DECODE_MS_MAX; tries++) tookMs = decodeMs(octets);
    expect(tookMs, `case ${index}`).toBeLessThan(DECODE_MS_MAX);
  }
});

/** The processor's time, which does not tell how busy the machine is. */
function decodeMs(octets: Uint8Array): number {
  const before = process.cpuUsage();
  try {
    decoder.decode(new OctetReader(octets));
  } catch (error) {
    if (!(error instanceof DuowireError) || error instanceof MalformedOctets) throw error;
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}
