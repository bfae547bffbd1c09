import { expect, test } from "vitest";
import { type CallLine, count, percentile, recoveryMs } from "../../lab/nat/judge/tally.js";

function made(n: number, at = n * 10): CallLine {
  return { kind: "made", client: "c", direction: "up", n, at };
}
function executed(n: number, at = n * 10 + 1): CallLine {
  return { kind: "executed", client: "c", direction: "up", n, at };
}
function settled(n: number, at = n * 10 + 2, code?: string): CallLine {
  return { kind: "settled", client: "c", direction: "up", n, at, ...(code === undefined ? {} : { code }) };
}
const whole = (n: number) => [made(n), executed(n), settled(n)];

test("count finds nothing wrong where each call runs once, in order, with a result", () => {
  const counted = count([1, 2, 3].flatMap(whole));
  expect(counted).toMatchObject({ made: 3, lost: 0, doubled: 0, outOfOrder: 0, failed: 0, hung: 0 });
  expect(counted.delays).toEqual([10, 20, 30].map((madeAt) => ({ madeAt, tookMs: 2 })));
});

test("count calls a call lost that nobody executed, and hung that nobody settled", () => {
  expect(count([...whole(1), made(2)])).toMatchObject({ made: 2, lost: 1, hung: 1, failed: 0 });
});

test("count calls each further execution doubled, and not out of order", () => {
  expect(count([...whole(1), ...whole(2), executed(1), executed(1)])).toMatchObject({ doubled: 2, outOfOrder: 0 });
});

test("count calls an execution out of order that comes after a later call's", () => {
  const lines = [made(1), made(2), made(3), executed(2), executed(1), executed(3)];
  expect(count(lines)).toMatchObject({ outOfOrder: 1, doubled: 0, lost: 0 });
});

test("count tells an error of an executed call from one of a call that never ran", () => {
  const counted = count([made(1), executed(1), settled(1, 12, "time_out"), made(2), settled(2, 22, "not_sent")]);
  expect(counted).toMatchObject({ failed: 2, failedThoughExecuted: 1, lost: 1, hung: 0 });
  expect(counted.codes).toEqual({ time_out: 1, not_sent: 1 });
  expect(counted.delays).toEqual([]);
});

test("percentile gives the value that the share does not exceed", () => {
  const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
  expect(percentile(hundred, 0.5)).toBe(50);
  expect(percentile(hundred, 0.99)).toBe(99);
  expect(percentile([7], 0.99)).toBe(7);
  expect(percentile([], 0.5)).toBeUndefined();
});

/** One execution each 10 ms, but for the silences given. */
function executions(until: number, ...silences: readonly [number, number][]): number[] {
  const times = [];
  for (let at = 0; at <= until; at += 10) {
    if (!silences.some(([from, to]) => at > from && at < to)) times.push(at);
  }
  return times;
}

test("recoveryMs is how long after the strike the silence ends", () => {
  const after = { from: 1_000, curedAt: 1_000, until: 2_000 };
  expect(recoveryMs(executions(2_000, [1_000, 1_300]), after)).toBe(300);
});

test("recoveryMs does not count what still ran while the fault was being made", () => {
  const after = { from: 1_000, curedAt: 1_000, until: 2_000 };
  expect(recoveryMs(executions(2_000, [1_200, 1_600]), after)).toBe(400);
});

test("recoveryMs counts from the cure where there is one", () => {
  expect(recoveryMs(executions(9_000, [1_000, 6_400]), { from: 1_000, curedAt: 6_000, until: 9_000 })).toBe(400);
});

test("recoveryMs is 0 where nothing was silent, or only before the strike", () => {
  const after = { from: 1_000, curedAt: 1_000, until: 2_000 };
  expect(recoveryMs(executions(2_000), after)).toBe(0);
  expect(recoveryMs(executions(2_000, [100, 900]), after)).toBe(0);
});

test("recoveryMs counts a silence from the beginning", () => {
  const after = { from: 0, curedAt: 1_500, until: 9_000 };
  expect(recoveryMs(executions(9_000, [-1, 1_900]), after)).toBe(400);
});

test("recoveryMs is undefined where the silence has no end", () => {
  const after = { from: 1_000, curedAt: 1_000, until: 9_000 };
  expect(recoveryMs(executions(990), after)).toBeUndefined();
  expect(recoveryMs([], after)).toBeUndefined();
});

test("recoveryMs measures a silence that outlasts the pause between strikes, for each strike that it meets", () => {
  const silent = executions(9_000, [1_000, 2_900]);
  expect(recoveryMs(silent, { from: 1_000, curedAt: 1_000, until: 2_000 })).toBe(1_900);
  expect(recoveryMs(silent, { from: 2_000, curedAt: 2_000, until: 3_000 })).toBe(900);
});

test("recoveryMs leaves to the next strike what begins with it", () => {
  const after = { from: 1_000, curedAt: 1_000, until: 2_000 };
  expect(recoveryMs(executions(9_000, [1_000, 1_300], [1_990, 4_000]), after)).toBe(300);
});
