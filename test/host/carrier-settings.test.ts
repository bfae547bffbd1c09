import { expect, test } from "vitest";
import { readSupervision } from "../../src/host/carrier-settings.js";

test("readSupervision completes what it is not told", () => {
  const { pool, heartbeat, limits } = readSupervision({ carriersMax: 10, stuckMs: 0 }, "thread");
  expect(pool).toMatchObject({ pool: 0, warmMin: 1, warmMax: 8, carriersMax: 10, waitingMax: 64, waitMs: 13_000 });
  expect(pool.startsMax).toBeGreaterThanOrEqual(2);
  expect([heartbeat, limits]).toEqual([{ startMs: 10_000, stuckMs: 0 }, {}]);
  // Who asks for more warm ones than the default allows gets them.
  expect(readSupervision({ warmMin: 20 }, "thread").pool).toMatchObject({ warmMin: 20, warmMax: 20 });
});

test.each([
  [{ pool: 1.5 }, "pool is 1.5; expected a whole number of at least 0"],
  [{ warmMin: 5, warmMax: 4 }, "warmMin is 5, more than warmMax, which is 4"],
  [{ stuckMs: -1 }, "stuckMs is -1; expected a whole number of at least 0"],
  [{ startMs: Number.NaN }, "startMs is NaN; expected a whole number of at least 100"],
  [{ limits: { cpuSeconds: 5 } }, "limits.cpuSeconds cannot be kept for a worker thread"],
])("readSupervision refuses %j", (options, message) => {
  expect(() => readSupervision(options, "thread")).toThrow(message);
});
