import { expect, test } from "vitest";
import { CountingEnd, sumOf } from "./count.js";

const taking = (...numbers: number[]) => {
  const end = new CountingEnd(async (n) => n);
  for (const n of numbers) end.take(n);
  const { received, doubled, disordered, missing } = end.count;
  return { received, doubled, disordered, missing };
};

test("CountingEnd tells lost, doubled and out of order from each other", () => {
  expect(taking(1, 2, 3)).toEqual({ received: 3, doubled: 0, disordered: 0, missing: 0 });
  expect(taking(1, 2, 2)).toEqual({ received: 3, doubled: 1, disordered: 0, missing: 0 });
  expect(taking(1, 4)).toEqual({ received: 2, doubled: 0, disordered: 0, missing: 2 });
  expect(taking(1, 3, 2)).toEqual({ received: 3, doubled: 0, disordered: 1, missing: 0 });
  expect(taking(1, 3, 2, 2)).toEqual({ received: 4, doubled: 1, disordered: 1, missing: 0 });
});

test("CountingEnd counts a wrong answer as failed, and sums keep the first trouble", async () => {
  const end = new CountingEnd(async (n) => n + 1);
  end.start(1);
  await expect.poll(() => end.count.failed).toBeGreaterThan(0);
  end.stop();
  const other = new CountingEnd(async (n) => n);
  other.take(1);
  const sum = sumOf([other.count, end.count]);
  expect([sum.received, sum.answered, sum.trouble]).toEqual([1, 0, "Error: call 1 was answered 2"]);
});
