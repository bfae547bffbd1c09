import { expect, test } from "vitest";
import { SlowStart } from "../../src/link/slow-start.js";
import { FakeClock } from "../support/fake-clock.js";

const ROUND_TRIP_MS = 300;

/** A young connection, and how many octets each of its writes had. */
function start(roundTripMs: number) {
  const clock = new FakeClock();
  const written: number[] = [];
  const writes = new SlowStart((octets) => written.push(octets.length), clock);
  writes.begin(roundTripMs);
  return { clock, written, writes };
}

/** A hundred small writes a second. */
function talk({ clock, writes }: ReturnType<typeof start>, ms: number): void {
  for (let passed = 0; passed < ms; passed += 10) {
    writes.send(new Uint8Array(1));
    clock.pass(10);
  }
}

test("SlowStart makes no more packets of a far connection's first round trip than it takes", () => {
  const started = start(ROUND_TRIP_MS);
  talk(started, ROUND_TRIP_MS);
  expect(started.written.length).toBeLessThanOrEqual(10);
  started.writes.flush();
  expect(started.written.reduce((sum, length) => sum + length, 0)).toBe(30);
});

test("SlowStart lets the first write leave at once, and any after a pause", () => {
  const { clock, written, writes } = start(ROUND_TRIP_MS);
  writes.send(new Uint8Array(1));
  clock.pass(50);
  writes.send(new Uint8Array(2));
  expect(written).toEqual([1, 2]);
});

test("SlowStart is over after three round trips, and never begins on a near connection", () => {
  const far = start(ROUND_TRIP_MS);
  talk(far, 4 * ROUND_TRIP_MS);
  const before = far.written.length;
  talk(far, 100);
  expect(far.written.length - before).toBe(10);
  const near = start(20);
  for (let n = 0; n < 100; n += 1) near.writes.send(new Uint8Array(1));
  expect(near.written.length).toBe(100);
});

test("SlowStart holds no more than a few packets back", () => {
  const { written, writes } = start(ROUND_TRIP_MS);
  writes.send(new Uint8Array(1));
  writes.send(new Uint8Array(100_000));
  expect(written).toEqual([1, 100_000]);
});
