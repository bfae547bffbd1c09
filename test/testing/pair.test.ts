import { expect, test } from "vitest";
import { Service } from "../../src/index.js";
import { testPair, VirtualClock } from "../../src/testing/index.js";

interface CounterClient {
  ask(question: string): string;
}

class Counter extends Service<CounterClient> {
  private count = 0;

  add(by: number): number {
    this.count += by;
    return this.count;
  }

  async consult(question: string): Promise<string> {
    return `${await this.client.ask(question)}!`;
  }

  watch(onCount: (count: number) => void): void {
    for (let count = 0; count < 3; count++) onCount(count);
  }
}

const expose = { ask: (question: string) => question.toUpperCase() };

/** Lets time pass until a call is settled, and fails when that takes too long. */
async function within<T>(clock: VirtualClock, ms: number, call: PromiseLike<T>): Promise<T> {
  let outcome: { value: T } | { error: unknown } | undefined;
  call.then(
    (value) => (outcome = { value }),
    (error) => (outcome = { error }),
  );
  for (let passed = 0; passed < ms && outcome === undefined; passed += 10) await clock.advance(10);
  if (outcome === undefined) throw new Error(`not settled within ${ms} ms`);
  if ("error" in outcome) throw outcome.error;
  return outcome.value;
}

test("testPair calls both ways", async () => {
  const clock = new VirtualClock();
  await using pair = testPair(Counter, { clock, expose });
  const { remote } = pair.session;
  expect(await within(clock, 100, remote.add(2))).toBe(2);
  expect(await within(clock, 100, remote.consult("really"))).toBe("REALLY!");
  const counts: number[] = [];
  await within(
    clock,
    100,
    remote.watch((count) => void counts.push(count)),
  );
  await clock.settle();
  expect(counts).toEqual([0, 1, 2]);
});

test("testPair survives drops: each call runs once, in order", async () => {
  const clock = new VirtualClock();
  await using pair = testPair(Counter, { clock, expose });
  const calls: PromiseLike<number>[] = [];
  for (let number = 0; number < 50; number++) {
    calls.push(pair.session.remote.add(1));
    if (number % 5 === 0) pair.network.drop();
    await clock.advance(3);
  }
  const results = [];
  for (const call of calls) results.push(await within(clock, 10_000, call));
  expect(results).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
});

test("testPair recovers from a silent path within the promised time", async () => {
  const clock = new VirtualClock();
  await using pair = testPair(Counter, { clock, expose });
  await within(clock, 100, pair.session.remote.add(1));
  pair.network.stall();
  const call = pair.session.remote.add(1);
  await clock.advance(5_000);
  pair.network.heal();
  expect(await within(clock, 600, call)).toBe(2);
});

test("testPair tells the outcome when the outage outlasts the lease", async () => {
  const clock = new VirtualClock();
  await using pair = testPair(Counter, { clock, expose, leaseMs: 5_000 });
  await within(clock, 100, pair.session.remote.add(1));
  pair.network.stall();
  const sent = pair.session.remote.add(1);
  await clock.advance(10_000);
  await expect(within(clock, 10, sent)).rejects.toMatchObject({ code: "outcome_unknown" });
  expect((await pair.session.closed).code).toBe("lease_expired");
});

test("testPair delays everything by the same time", async () => {
  const clock = new VirtualClock();
  await using pair = testPair(Counter, { clock, expose });
  await within(clock, 100, pair.session.remote.add(1));
  pair.network.delay(100);
  const before = clock.monotonicMs();
  await within(clock, 1_000, pair.session.remote.add(1));
  expect(clock.monotonicMs() - before).toBeGreaterThanOrEqual(200);
  expect(clock.monotonicMs() - before).toBeLessThan(260);
});
