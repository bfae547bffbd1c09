import { expect, onTestFinished, test } from "vitest";
import type { DuowireError } from "../../src/base/errors.js";
import { Service } from "../../src/index.js";
import { type PairOptions, testPair, VirtualClock } from "../../src/testing/index.js";
import { collectGarbage } from "../support/garbage.js";

interface TakerClient {
  take(n: number, more?: string): number;
}

/** So much that the calls which fill a queue are thousands, not more. */
const MORE = "x".repeat(100);

const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);

/** Each test reads the service of its pair here: the class is made by the library. */
let service: Taker;

class Taker extends Service<TakerClient> {
  readonly taken: number[] = [];

  constructor() {
    super();
    service = this;
  }

  take(n: number, _more?: string): number {
    this.taken.push(n);
    return n;
  }

  /** Numbered calls of the client, all at once; how each failed, in order. */
  async call(calls: number): Promise<string[]> {
    const settled = await Promise.allSettled(upTo(calls).map((n) => this.client.take(n)));
    return settled.flatMap((one) => (one.status === "rejected" ? [(one.reason as DuowireError).code] : []));
  }

  callCarelessly(calls: number): void {
    for (const n of upTo(calls)) this.client.take(n, MORE);
  }
}

async function start(options: PairOptions<Taker> = {}) {
  const clock = new VirtualClock();
  const taken: number[] = [];
  const expose = { take: (n: number) => taken.push(n) && n };
  const pair = testPair(Taker, { clock, expose, ...options });
  onTestFinished(() => pair[Symbol.asyncDispose]());
  const first = pair.session.remote.take(0);
  await clock.advance(100);
  expect(await first).toBe(0);
  service.taken.length = 0;
  return { clock, pair, taken, remote: pair.session.remote };
}

/** Starts calls both ways, does what `meanwhile` does, and expects each call to run once, in order. */
async function expectPerfect(
  { clock, remote, taken }: Awaited<ReturnType<typeof start>>,
  calls: number,
  meanwhile: () => Promise<void>,
): Promise<void> {
  const answers = Promise.all(upTo(calls).map((n) => remote.take(n)));
  const failures = service.call(calls);
  await meanwhile();
  await clock.advance(20_000);
  expect([await answers, await failures]).toEqual([upTo(calls), []]);
  expect([service.taken, taken]).toEqual([upTo(calls), upTo(calls)]);
}

test("TestNetwork.reorder: connections overtake each other, and calls stay in order", async () => {
  const started = await start();
  const { clock, pair } = started;
  pair.network.reorder(1_500);
  await expectPerfect(started, 200, async () => {
    for (let round = 0; round < 10; round++) {
      await clock.advance(300);
      pair.network.drop();
    }
  });
});

test("TestNetwork.duplicate: the access and each question come twice, and count once", async () => {
  const clock = new VirtualClock();
  const pair = testPair(Taker, { clock, expose: { take: (n: number) => n } });
  onTestFinished(() => pair[Symbol.asyncDispose]());
  pair.network.duplicate();
  pair.network.delay(50);
  const calls = Promise.all(upTo(20).map((n) => pair.session.remote.take(n)));
  for (let round = 0; round < 5; round++) {
    await clock.advance(200);
    pair.network.drop();
  }
  await clock.advance(20_000);
  expect(await calls).toEqual(upTo(20));
  expect(service.taken).toEqual(upTo(20));
});

test("TestNetwork.restartServer: the session is over, and each call says what became of it", async () => {
  const { clock, pair, remote } = await start();
  const before = service;
  pair.network.delay(20);
  const sent = remote.take(1);
  await clock.advance(5);
  pair.network.restartServer();
  const late = remote.take(2);
  const outcomes = Promise.allSettled([sent, late]);
  await clock.advance(2_000);
  expect((await pair.session.closed).code).toBe("session_unknown");
  const codes = (await outcomes).map((one) => one.status === "rejected" && (one.reason as DuowireError).outcome);
  // Both were handed to a link: to the dying one, or with a question to the server that came after it.
  expect(codes).toEqual(["outcome_unknown", "outcome_unknown"]);
  expect(before.session.signal.aborted).toBe(true);
});

test("ten minutes offline with 10,000 calls queued each way: each runs once, in order (G7)", async () => {
  const started = await start({ leaseMs: 900_000, queueBytesMax: 16_777_216 });
  const { clock, pair, taken } = started;
  pair.network.stall();
  await expectPerfect(started, 10_000, async () => {
    await clock.advance(600_000);
    expect([service.taken.length, taken.length]).toEqual([0, 0]);
    expect(pair.session.state).toBe("interrupted");
    pair.network.heal();
    // After so long, attempts are made each 5 s.
    await clock.advance(6_000);
    expect([service.taken.length, taken.length]).toEqual([10_000, 10_000]);
  });
});

test.for(["client", "service"] as const)(
  "%s that calls while the other is away: queue_full for what is awaited, the rest runs, and memory is bounded",
  async (caller) => {
    const { clock, pair, remote, taken } = await start();
    pair.network.stall();
    await clock.advance(100);
    const before = collectGarbage();
    const call = (n: number) => (caller === "client" ? remote.take(n, MORE) : service.client.take(n, MORE));
    const codes = new Set<string>();
    for (const n of upTo(100_000)) {
      call(n).then(undefined, ({ code, outcome }: DuowireError) => void codes.add(`${code} ${outcome}`));
      if (n % 1_000 === 0) await clock.settle();
    }
    expect([...codes]).toEqual(["queue_full not_sent"]);
    expect(collectGarbage() - before).toBeLessThan(16 * 1_048_576);
    pair.network.heal();
    await clock.advance(20_000);
    const ran = caller === "client" ? service.taken : taken;
    expect(ran.length).toBeGreaterThan(5_000);
    expect(ran).toEqual(upTo(ran.length));
  },
);

test("a service that calls a client that is away, and never looks, ends with slow_consumer", async () => {
  const { clock, pair } = await start();
  pair.network.stall();
  await clock.advance(100);
  const before = collectGarbage();
  service.callCarelessly(100_000);
  // CLOSE cannot be confirmed either: nobody waits for that longer than a second.
  await clock.advance(2_000);
  expect(service.session.signal.aborted).toBe(true);
  expect((service.session.signal.reason as DuowireError).code).toBe("slow_consumer");
  expect(collectGarbage() - before).toBeLessThan(16 * 1_048_576);
});
