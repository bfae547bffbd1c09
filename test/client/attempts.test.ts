import { describe, expect, test } from "vitest";
import {
  Attempts,
  GONE_MS,
  OLDER_ACCESS_MS,
  OLDER_MS,
  PATIENCE_MS,
  REPEAT_MS,
  REPEAT_SLOWLY_MS,
} from "../../src/client/attempts.js";

const most = (count: number) => new Uint8Array(count).fill(0xff);
const least = (count: number) => new Uint8Array(count);

describe("Attempts", () => {
  test("repeat what was swallowed every REPEAT_MS for a minute, then slowly, and quickly again after a success", () => {
    const attempts = new Attempts(most, 0);
    expect(attempts.repeatMs(1, 0)).toBe(REPEAT_MS);
    expect(attempts.repeatMs(1, 60_000)).toBe(REPEAT_MS);
    expect(attempts.repeatMs(1, 60_001)).toBe(REPEAT_SLOWLY_MS);
    attempts.succeeded(70_000);
    expect(attempts.repeatMs(1, 70_000)).toBe(REPEAT_MS);
  });

  test("are patient on a slow path", () => {
    const attempts = new Attempts(most, 0);
    expect(attempts.repeatMs(900, 0)).toBe(1_800);
    expect([attempts.patienceMs(undefined), attempts.patienceMs(900)]).toEqual([PATIENCE_MS, 5_400]);
    attempts.opened(2_500);
    expect(attempts.repeatMs(undefined, 0)).toBe(2_500);
    // A pause is no slow path.
    attempts.opened(60_000);
    expect(attempts.repeatMs(undefined, 0)).toBeLessThan(REPEAT_SLOWLY_MS);
  });

  test("let what is under way have its time when a pause of this process has made their timer late", () => {
    const attempts = new Attempts(most, 0);
    // A timer that is on time, or nearly, says that its attempt has had its time.
    expect(attempts.restMs(0, REPEAT_MS, undefined, 1_000)).toBe(0);
    expect(attempts.restMs(100, REPEAT_MS, undefined, 1_000)).toBe(0);
    expect(attempts.repeatMs(undefined, 1_000)).toBe(REPEAT_MS);
    // Three turns of such pauses, of which the first has passed.
    expect(attempts.restMs(500, 900, undefined, 1_000)).toBe(600);
    expect(attempts.repeatMs(undefined, 1_000)).toBe(1_500);
    // Where nothing is under way, nothing is waited for.
    expect(attempts.restMs(500, Number.POSITIVE_INFINITY, undefined, 1_000)).toBeLessThan(0);
    // However long the pause, the wait has an end; and an attempt that opens quickly ends it all.
    expect(attempts.restMs(60_000, 0, undefined, 1_000)).toBe(3_000);
    expect(attempts.restMs(60_000, 3_000, undefined, 1_000)).toBe(0);
    attempts.opened(20);
    expect(attempts.repeatMs(undefined, 1_000)).toBe(REPEAT_MS);
  });

  test("give the older of two more time, each time that one was given up", () => {
    const attempts = new Attempts(most, 0);
    expect([attempts.isLate(OLDER_MS - 1, 0), attempts.isLate(OLDER_MS, 0)]).toEqual([false, true]);
    expect([attempts.isLate(2 * OLDER_MS - 1, 0), attempts.isLate(2 * OLDER_MS, 0)]).toEqual([false, true]);
    for (let i = 0; i < 10; i++) attempts.isLate(PATIENCE_MS, 0);
    expect(attempts.isLate(PATIENCE_MS, 0)).toBe(true);
    // Six round trips in any case; and a search that found a path is forgotten.
    expect(attempts.isLate(5_399, 900)).toBe(false);
    attempts.succeeded(0);
    expect(attempts.isLate(OLDER_MS, 0)).toBe(true);
  });

  test("leave a first access its place in the queue of a busy server, and repeat ever more slowly beside it", () => {
    const attempts = new Attempts(most, 0);
    const ages = [OLDER_ACCESS_MS - 1, OLDER_ACCESS_MS, OLDER_ACCESS_MS];
    expect(ages.map((age) => attempts.isLate(age, undefined))).toEqual([false, true, true]);
    expect([2_000, 3_000, 10_000].map((now) => attempts.repeatMs(undefined, now))).toEqual([REPEAT_MS, 600, 2_000]);
    // An attach knows its round trip: that the path works again is to be found out soon.
    expect(attempts.repeatMs(1, 10_000)).toBe(REPEAT_MS);
  });

  test("back off with full jitter after an answer, not at all the first time", () => {
    const attempts = new Attempts(most, 0);
    const waits = [0, 1, 2, 3, 4, 5, 6, 7, 8].map(() => Math.round(attempts.afterAnswerMs()));
    expect(waits).toEqual([0, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]);
    const lucky = new Attempts(least, 0);
    expect([lucky.afterAnswerMs(), lucky.afterAnswerMs(), lucky.afterAnswerMs()]).toEqual([0, 0, 0]);
    expect(lucky.afterAnswerMs(2_000)).toBe(2_000);
  });

  test("wait as long as the server asked, and up to half of it more", () => {
    expect(new Attempts(least, 0).afterAnswerMs(5_000)).toBe(5_000);
    expect(Math.round(new Attempts(most, 0).afterAnswerMs(5_000))).toBe(7_500);
  });

  test("take a server for gone when nobody listened for GONE_MS, without anything between", () => {
    const attempts = new Attempts(most, 0);
    expect(attempts.afterRefusalMs(0)).toBeDefined();
    expect(attempts.afterRefusalMs(GONE_MS - 1)).toBeLessThanOrEqual(800);
    expect(attempts.afterRefusalMs(GONE_MS)).toBeUndefined();
    const mixed = new Attempts(most, 0);
    mixed.afterRefusalMs(0);
    mixed.lost();
    expect(mixed.afterRefusalMs(GONE_MS)).toBeDefined();
    // A sleep is no time in which nobody listened.
    const slept = new Attempts(most, 0);
    slept.afterRefusalMs(0);
    slept.begin(GONE_MS);
    expect(slept.afterRefusalMs(GONE_MS)).toBeDefined();
  });
});
