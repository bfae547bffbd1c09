import { expect, test } from "vitest";
import { MESSAGE_BYTES_LEAST } from "../../src/rpc/messages.js";
import { limits, Pair, turn } from "./support.js";

/** A service whose calls end when the test says so. */
function gate() {
  const waiting: (() => void)[] = [];
  const started: number[] = [];
  return {
    started,
    open: (count = waiting.length) => {
      for (const resolve of waiting.splice(0, count)) resolve();
    },
    root: {
      work: (n: number) => {
        started.push(n);
        return new Promise<number>((resolve) => waiting.push(() => resolve(n)));
      },
      quick: (n: number, _octets?: Uint8Array) => {
        started.push(n);
        return n;
      },
    },
  };
}

type Root = ReturnType<typeof gate>["root"];

test("callsInFlightMax calls are open at once, one more waits, and goes when one is answered", async () => {
  const { root, started, open } = gate();
  const pair = new Pair<unknown, Root>(undefined, root, {}, { limits: { ...limits, callsInFlightMax: 3 } });
  const calls = [1, 2, 3, 4, 5].map((n) => pair.remoteB.work(n));
  await pair.settle();
  expect(started).toEqual([1, 2, 3]);
  expect(pair.a.peer.figures).toMatchObject({ openCount: 3, waitingCount: 2 });
  open(1);
  await pair.settle();
  expect(started).toEqual([1, 2, 3, 4]);
  open();
  await pair.settle();
  open();
  expect(await pair.answer(Promise.all(calls))).toEqual([1, 2, 3, 4, 5]);
});

test("calls above what a callee announced are a violation, but for the first 64", async () => {
  const { root } = gate();
  for (const [callsInFlightMax, allowed] of [
    [3, 64],
    [100, 100],
  ] as const) {
    const pair = new Pair<unknown, Root>(undefined, root, {}, { limits: { ...limits, callsInFlightMax } });
    pair.a.peer.setLimits(limits);
    for (let n = 1; n <= allowed; n++) pair.remoteB.work(n);
    await pair.settle();
    pair.remoteB.work(0);
    expect(() => pair.travel(pair.a, pair.b)).toThrow(/callsInFlightMax/);
  }
});

test("calls before the limits are known: 64, none above 66,560 octets, in order", async () => {
  const { root, started } = gate();
  const pair = new Pair<unknown, Root>(undefined, root, {}, {}, false);
  for (let n = 1; n <= 10; n++) pair.remoteB.quick(n);
  pair.remoteB.quick(11, new Uint8Array(MESSAGE_BYTES_LEAST));
  for (let n = 12; n <= 100; n++) pair.remoteB.quick(n);
  expect(pair.a.sink.messages).toHaveLength(10);
  await pair.settle();
  expect(started).toHaveLength(10);
  pair.exchangeLimits();
  await pair.settle();
  expect(started).toEqual(Array.from({ length: 100 }, (_, n) => n + 1));

  const other = new Pair<unknown, Root>(undefined, root, {}, {}, false);
  for (let n = 1; n <= 65; n++) other.remoteB.quick(n);
  expect(other.a.sink.messages).toHaveLength(64);
  expect(other.a.peer.figures.waitingCount).toBe(1);
});

test("queueBytesMax holds for what waits at the sink and for the window together: queue_full", async () => {
  const { root } = gate();
  const pair = new Pair<unknown, Root>(undefined, root, {}, { limits: { ...limits, callsInFlightMax: 2 } });
  pair.a.sink.queueBytesMax = 10_000;
  const octets = new Uint8Array(3_000);
  for (let n = 0; n < 3; n++) pair.remoteB.quick(n, octets).catch(() => {});
  const error = await pair.failure(pair.remoteB.quick(3, octets));
  expect(error).toMatchObject({ code: "queue_full", outcome: "not_sent", side: "local" });
  // An awaited call that does not fit hurts nobody else.
  expect(pair.a.told.slow).toEqual([]);
  expect(await pair.answer(pair.remoteB.quick(4))).toBe(4);
});

test("a call above messageBytesMax rejects message_too_large, at once or when it waits", async () => {
  const { root, open } = gate();
  const small = { ...limits, callsInFlightMax: 1, messageBytesMax: 70_000 };
  const pair = new Pair<unknown, Root>(undefined, root, {}, { limits: small }, false);
  pair.a.sink.messageBytesMax = 70_000;
  const early = pair.remoteB.quick(1, new Uint8Array(70_000));
  pair.exchangeLimits();
  const expected = { code: "message_too_large", outcome: "not_sent" };
  expect(await pair.failure(early)).toMatchObject(expected);
  const direct = pair.remoteB.quick(2, new Uint8Array(70_000));
  expect(await pair.failure(direct)).toMatchObject(expected);
  pair.remoteB.work(3);
  expect(await pair.failure(pair.remoteB.quick(4, new Uint8Array(70_000)))).toMatchObject(expected);
  open();
  expect(await pair.answer(pair.remoteB.quick(5))).toBe(5);
});

test("calls that nobody awaits and that fill the queue end the session: slow_consumer", async () => {
  const { root } = gate();
  const pair = new Pair<unknown, Root>(undefined, root);
  pair.a.sink.queueBytesMax = 1_000;
  for (let n = 0; n < 1_000; n++) pair.remoteB.quick(n);
  expect(pair.a.told.slow).toEqual([]);
  await turn();
  pair.clock.endTurn();
  expect(pair.a.told.slow).toHaveLength(1);
  expect(pair.a.told.slow[0]).toMatchObject({ code: "slow_consumer", cause: { code: "queue_full" } });
});

test("a callee whose queue is full starts nothing, keeps answers for later, and goes on when it drains", async () => {
  const { root, started } = gate();
  const big = new Uint8Array(1_000);
  const all = { ...root, get: async () => big };
  const pair = new Pair<unknown, typeof all>(undefined, all);
  pair.b.sink.queueBytesMax = 2_500;
  const calls = Array.from({ length: 20 }, () => pair.remoteB.get());
  pair.travel(pair.a, pair.b);
  await turn();
  // Three answers of 1,000 octets fill it; the others are held as values.
  expect(pair.b.sink.messages).toHaveLength(3);
  const last = pair.remoteB.quick(21);
  pair.travel(pair.a, pair.b);
  expect(started).toEqual([]);
  expect(pair.b.peer.figures.runningCount).toBe(18);
  expect(await pair.answer(last)).toBe(21);
  expect(await Promise.all(calls)).toHaveLength(20);
  expect(pair.b.peer.figures.runningCount).toBe(0);
});

test("a callee that holds too many octets of calls answers queue_full and starts no more of them", async () => {
  const { root, started, open } = gate();
  const small = { ...limits, callsInFlightMax: 4, messageBytesMax: 300_000 };
  const all = { ...root, keep: (n: number, _octets: Uint8Array) => root.work(n) };
  const pair = new Pair<unknown, typeof all>(undefined, all, {}, { limits: small });
  const octets = new Uint8Array(290_000);
  const first = pair.remoteB.keep(1, octets);
  await pair.settle();
  expect(await pair.failure(pair.remoteB.keep(2, octets))).toMatchObject({ code: "queue_full", outcome: "answered" });
  open();
  expect(await pair.answer(first)).toBe(1);
  const third = pair.remoteB.keep(3, octets);
  await pair.settle();
  open();
  expect(await pair.answer(third)).toBe(3);
  expect(started).toEqual([1, 3]);
});

test("calls start in the order of their numbers, however they arrive", async () => {
  const { root, started } = gate();
  const pair = new Pair<unknown, Root>(undefined, root);
  for (let n = 1; n <= 5; n++) pair.remoteB.quick(n);
  const messages = [0, 0, 0, 0, 0].map(() => pair.a.sink.hand());
  for (const index of [3, 1, 4, 0, 2]) pair.b.peer.receive(messages[index] as Uint8Array, 0);
  expect(started).toEqual([1, 2, 3, 4, 5]);
  expect(() => pair.b.peer.receive(messages[2] as Uint8Array, 0)).toThrow(/second time/);
});

test("a parked call that comes twice is a violation", () => {
  const { root } = gate();
  const pair = new Pair<unknown, Root>(undefined, root);
  pair.remoteB.quick(1);
  pair.remoteB.quick(2);
  const second = pair.a.sink.hand(1);
  pair.b.peer.receive(second, 0);
  expect(() => pair.b.peer.receive(second, 0)).toThrow(/second time/);
});
