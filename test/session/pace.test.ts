import { describe, expect, test } from "vitest";
import { BATCH_BYTES_MAX, defaultLimits } from "../../src/frame/limits.js";
import { Pace } from "../../src/session/pace.js";

interface Path {
  /** What it carries, and how long that takes there and back besides. */
  readonly bytesPerMs: number;
  readonly wayMs: number;
}

/** A path that is given as much as the pace allows, for `lastMs`: what is acknowledged leaves room for more. */
function drive(pace: Pace, { bytesPerMs, wayMs }: Path, lastMs: number): Pace {
  const underWay: { bytes: number; ackedAt: number }[] = [];
  let [now, freeAt, sentBytes, sent, acked] = [0, 0, 0, 0, 0];
  while (now < lastMs) {
    while (sentBytes === 0 || sentBytes + pace.batchBytes <= Math.min(pace.bytes, defaultLimits.windowBytes)) {
      const bytes = pace.batchBytes;
      freeAt = Math.max(now, freeAt) + bytes / bytesPerMs;
      underWay.push({ bytes, ackedAt: freeAt + wayMs });
      sentBytes += bytes;
      pace.sent(++sent, sentBytes, now);
    }
    const { bytes, ackedAt } = underWay.shift() as (typeof underWay)[number];
    now = ackedAt;
    expect([pace.bytes, pace.batchBytes].every(Number.isInteger)).toBe(true);
    sentBytes -= bytes;
    pace.acknowledged(++acked, true, now);
  }
  return pace;
}

describe("Pace", () => {
  test.each([
    ["loopback", 100_000, 1, 10],
    ["a fast line", 5_000, 20, 200],
    ["a fast line far away", 5_000, 300, 4_000],
  ])("gives %s the whole window after a few round trips, and full batches", (_name, bytesPerMs, wayMs, lastMs) => {
    const pace = drive(new Pace(), { bytesPerMs, wayMs }, lastMs);
    expect(pace.bytes).toBeGreaterThan(defaultLimits.windowBytes);
    expect(pace.batchBytes).toBe(BATCH_BYTES_MAX);
    expect(pace.drainMs(defaultLimits.windowBytes)).toBeLessThan(600);
  });

  test.each([
    [100, 10],
    [20, 50],
    [20, 600],
    [8, 100],
  ])(
    "keeps what is on its way on a path of %d octets a millisecond to about its round trips and two seconds",
    (rate, wayMs) => {
      const pace = drive(new Pace(), { bytesPerMs: rate, wayMs }, 60_000);
      expect(pace.bytes / rate).toBeLessThan(2_500 + 2 * wayMs);
      expect(pace.batchBytes / rate).toBeLessThan(1_100);
    },
  );

  test("does not take what an application seldom says for what its path carries", () => {
    const pace = new Pace();
    for (let sequence = 1; sequence < 20; sequence++) {
      pace.sent(sequence, 50, sequence * 1_000);
      pace.acknowledged(sequence, false, sequence * 1_000 + 100);
    }
    expect([pace.bytes, pace.batchBytes]).toEqual([32_768, 16_384]);
    expect([pace.drainMs(1_000), pace.drainMs(21_400)]).toEqual([0, 1_000]);
  });

  test("trusts each next path less after one that has brought nothing, and again after one that did", () => {
    const pace = new Pace();
    pace.begin();
    const given = [pace.bytes];
    for (let path = 0; path < 4; path++) {
      pace.begin();
      given.push(pace.bytes);
    }
    expect(given).toEqual([32_768, 16_384, 8_192, 4_096, 4_096]);
    expect(pace.drainMs(11_400)).toBe(4_000);
    pace.sent(1, 1_000, 0);
    pace.acknowledged(1, true, 100);
    pace.begin();
    expect(pace.bytes).toBe(32_768);
  });
});
