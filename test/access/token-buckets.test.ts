import fc from "fast-check";
import { expect, test } from "vitest";
import { Counts } from "../../src/access/counts.js";
import { TokenBuckets } from "../../src/access/token-buckets.js";

test("TokenBuckets never give more than the burst and what time has brought, and always say when there is one", () => {
  const steps = fc.array(fc.record({ passMs: fc.nat(3_000), key: fc.constantFrom("a", "b", "c") }), { maxLength: 200 });
  const limits = fc.record({ perSecond: fc.integer({ min: 1, max: 50 }), burst: fc.integer({ min: 1, max: 20 }) });
  fc.assert(
    fc.property(steps, limits, (events, { perSecond, burst }) => {
      const buckets = new TokenBuckets({ perSecond, burst, keysMax: 100 });
      const taken = new Map<string, number>();
      let now = 5;
      for (const { passMs, key } of events) {
        now += passMs;
        const wait = buckets.waitMs(key, now);
        if (wait > 0) {
          expect(buckets.waitMs(key, now + wait)).toBe(0);
          continue;
        }
        buckets.take(key, now);
        taken.set(key, (taken.get(key) ?? 0) + 1);
        expect(taken.get(key)).toBeLessThanOrEqual(burst + ((now - 5) / 1_000) * perSecond + 1e-6);
      }
    }),
  );
});

test("TokenBuckets forget keys whose buckets are full again, and the oldest beyond keysMax", () => {
  const buckets = new TokenBuckets({ perSecond: 10, burst: 20, keysMax: 3 });
  for (const key of ["a", "b", "c", "d"]) buckets.take(key, 0);
  expect(buckets.size).toBe(3);
  buckets.take("e", 2_000);
  expect(buckets.size).toBe(1);
});

test("Counts take no memory for keys without anything, and count each removal once", () => {
  const counts = new Counts();
  const [one, two] = [counts.add("x"), counts.add("x")];
  one();
  one();
  expect(counts.of("x")).toBe(1);
  two();
  expect([counts.of("x"), counts.of("y")]).toEqual([0, 0]);
});
