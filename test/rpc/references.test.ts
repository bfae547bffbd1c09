import { inspect } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { DuowireError } from "../../src/base/errors.js";
import { revoke } from "../../src/rpc/references.js";
import { Target } from "../../src/rpc/service.js";
import { release } from "../../src/rpc/stub.js";
import type { Stub } from "../../src/rpc/types.js";
import { hex, limits, Pair, turn } from "./support.js";

class Counter extends Target {
  n = 0;
  add(by: number): number {
    this.n += by;
    return this.n;
  }
}

/** Keeps what it gets. */
class Keeper extends Target {
  kept: unknown[] = [];
  keep(...values: unknown[]): void {
    this.kept.push(...values);
  }
  give(): unknown {
    return this.kept[0];
  }
  counter(): Counter {
    return counter;
  }
  identical(value: unknown): boolean {
    return value === counter;
  }
  call(...args: unknown[]): unknown {
    return (this.kept[0] as (...args: unknown[]) => unknown)(...args);
  }
  letGo(): void {
    for (const stub of this.kept.splice(0)) release(stub as object);
  }
}

const counter = new Counter();

interface KeeperView {
  keep(...values: unknown[]): Promise<void>;
  give(): Promise<unknown>;
  counter(): Promise<Counter>;
  identical(value: unknown): Promise<boolean>;
  call(...args: unknown[]): Promise<unknown>;
  letGo(): Promise<void>;
}

function setUp(optionsB = {}) {
  const keeper = new Keeper();
  return { keeper, pair: new Pair<unknown, KeeperView>(undefined, keeper, {}, optionsB) };
}

test("Target is passed by reference, and its methods are called", async () => {
  const { pair } = setUp();
  const stub = (await pair.answer(pair.remoteB.counter())) as Stub<Counter>;
  expect(await pair.answer(stub.add(3))).toBe(3);
  expect(counter.n).toBe(3);
  expect(await pair.failure((stub as unknown as { n(): Promise<void> }).n())).toMatchObject({ code: "method_unknown" });
});

test("stub is the same for the same object, and comes home as the original", async () => {
  const { pair, keeper } = setUp();
  const first = await pair.answer(pair.remoteB.counter());
  const second = await pair.answer(pair.remoteB.counter());
  expect(first).toBe(second);
  expect(await pair.answer(pair.remoteB.identical(first))).toBe(true);
  const mine = () => 1;
  await pair.answer(pair.remoteB.keep(mine, mine, { nested: [mine] }));
  expect(keeper.kept[0]).toBe(keeper.kept[1]);
  expect((keeper.kept[2] as { nested: unknown[] }).nested[0]).toBe(keeper.kept[0]);
  expect(await pair.answer(pair.remoteB.give())).toBe(mine);
  expect(pair.a.peer.figures.lentCount).toBe(1);
});

test("stub of a function is called as a function, with call, apply and bind too", async () => {
  const { pair, keeper } = setUp();
  await pair.answer(pair.remoteB.keep((...args: number[]) => args.length));
  const fn = keeper.kept[0] as (...args: unknown[]) => Promise<number>;
  expect(typeof fn).toBe("function");
  expect(await pair.answer(fn(1, 2))).toBe(2);
  expect(await pair.answer(fn.call(null, 1))).toBe(1);
  expect(await pair.answer(fn.apply(null, [1, 2, 3]))).toBe(3);
  expect(await pair.answer(fn.bind(null, 1)(2))).toBe(2);
  expect(await pair.answer(pair.remoteB.call(1, 2, 3, 4))).toBe(4);
});

test("stub is no promise, no JSON, has no properties, and can be looked at", async () => {
  const { pair } = setUp();
  const stub = await pair.answer(pair.remoteB.counter());
  for (const any of [stub, pair.remoteB] as unknown as Record<PropertyKey, unknown>[]) {
    for (const key of ["then", "toJSON", "constructor", "toString", "_private", Symbol.toPrimitive, Symbol.iterator])
      expect(any[key]).toBe(undefined);
    expect(any[inspect.custom]).toBe(undefined);
    expect(inspect(any)).toBe("Stub {}");
    expect(JSON.stringify({ any })).toBe('{"any":{}}');
    expect(() => `${any}`).toThrow(TypeError);
    expect(() => Object.assign(any, { x: 1 })).toThrow(TypeError);
    expect(any.add).toBe(any.add);
    expect(await Promise.resolve(any)).toBe(any);
  }
  expect((pair.remoteB as unknown as Record<PropertyKey, unknown>)[Symbol.dispose]).toBe(undefined);
});

test("stub gives out any number of method names without keeping them all", async () => {
  const { pair } = setUp();
  const any = pair.remoteB as unknown as Record<string, unknown>;
  for (let n = 0; n < 1_000; n++) expect(typeof any[`m${n}`]).toBe("function");
  expect(any.m1).toBe(any.m1);
  expect(any.m999).not.toBe(any.m999);
});

test("stub of a root cannot be passed", async () => {
  const { pair } = setUp();
  const { pair: other } = setUp();
  for (const value of [pair.remoteB, other.remoteB]) {
    const error = await pair.failure(pair.remoteB.keep(value));
    expect(error).toMatchObject({ code: "invalid_argument", outcome: "not_sent" });
    expect(error.message).toContain("of a root");
  }
});

test("release: later calls fail, the far side forgets, and a new loan has a new stub", async () => {
  const { pair } = setUp();
  const stub = (await pair.answer(pair.remoteB.counter())) as Stub<Counter>;
  const { add } = stub;
  expect(pair.b.peer.figures.lentCount).toBe(1);
  release(stub);
  release(stub);
  expect(await pair.failure(stub.add(1))).toMatchObject({ code: "reference_released", outcome: "not_sent" });
  expect(await pair.failure(add(1))).toMatchObject({ code: "reference_released" });
  expect(await pair.failure(pair.remoteB.keep(stub))).toMatchObject({ code: "reference_released" });
  expect(pair.b.peer.figures.lentCount).toBe(0);
  expect(pair.a.peer.figures.heldCount).toBe(0);
  const again = (await pair.answer(pair.remoteB.counter())) as Stub<Counter>;
  expect(again).not.toBe(stub);
  expect(await pair.answer(again.add(0))).toBe(counter.n);
});

test("release by using, by await using, and of what is no stub", async () => {
  const { pair } = setUp();
  const stub = (await pair.answer(pair.remoteB.counter())) as Stub<Counter>;
  stub[Symbol.dispose]();
  await pair.settle();
  expect(pair.b.peer.figures.lentCount).toBe(0);
  const again = (await pair.answer(pair.remoteB.counter())) as Stub<Counter>;
  await again[Symbol.asyncDispose]();
  await pair.settle();
  expect(pair.b.peer.figures.lentCount).toBe(0);
  expect(() => release({})).toThrow(/stub/);
  expect(() => release(pair.remoteB)).toThrow(/stub/);
});

test("release that crosses another loan of the same object: the new stub lives", async () => {
  const { pair } = setUp();
  const stub = (await pair.answer(pair.remoteB.counter())) as Stub<Counter>;
  const call = pair.remoteB.counter();
  pair.travel(pair.a, pair.b); // the answer lends it once more, and waits
  release(stub);
  const urgent = pair.a.peer.urgent(1_000) as Uint8Array;
  expect(hex(urgent)).toBe("93050101");
  pair.b.peer.receive(urgent, 0);
  const fresh = (await pair.answer(call)) as Stub<Counter>;
  expect(fresh).not.toBe(stub);
  expect(await pair.answer(fresh.add(0))).toBe(counter.n);
  release(fresh);
  await pair.settle();
  expect(pair.b.peer.figures.lentCount).toBe(0);
});

test("release that has not left when the object is lent again: the counts are summed", async () => {
  const { pair } = setUp();
  const stub = (await pair.answer(pair.remoteB.counter())) as Stub<Counter>;
  const call = pair.remoteB.counter();
  pair.travel(pair.a, pair.b);
  release(stub);
  pair.a.peer.receive(pair.b.sink.hand(), 0);
  const fresh = (await call) as Stub<Counter>;
  expect(fresh).not.toBe(stub);
  expect(pair.a.peer.urgent(1_000)).toBe(undefined);
  release(fresh);
  expect(hex(pair.a.peer.urgent(1_000) as Uint8Array)).toBe("93050102");
});

test("release waits for calls that name the reference, as target or argument, and for answers that do", async () => {
  const { pair } = setUp();
  const stub = (await pair.answer(pair.remoteB.counter())) as Stub<Counter>;
  const call = stub.add(0);
  const passing = pair.remoteB.identical(stub);
  release(stub);
  expect(pair.a.peer.urgent(1_000)).toBe(undefined);
  expect(await pair.answer(Promise.all([call, passing]))).toEqual([counter.n, true]);
  expect(pair.b.peer.figures.lentCount).toBe(0);

  // An answer has no answer: what counts is that it has left, all of it.
  const { pair: other, keeper } = setUp();
  const mine = () => 1;
  await other.answer(other.remoteB.keep(mine));
  const giving = other.remoteB.give();
  other.travel(other.a, other.b);
  release(keeper.kept[0] as object);
  expect(other.b.peer.urgent(1_000)).toBe(undefined);
  other.a.peer.receive(other.b.sink.hand(), 0);
  expect(await giving).toBe(mine);
  expect(hex(other.b.peer.urgent(1_000) as Uint8Array)).toBe("93050101");
});

test("revoke: calls there fail, the number is given back, and another loan has a new one", async () => {
  const { pair, keeper } = setUp();
  let calls = 0;
  const mine = () => ++calls;
  await pair.answer(pair.remoteB.keep(mine));
  expect(await pair.answer(pair.remoteB.call())).toBe(1);
  expect(revoke(mine)).toBe(true);
  expect(revoke(mine)).toBe(false);
  const onItsWay = (keeper.kept[0] as () => Promise<number>)();
  expect(await pair.failure(onItsWay)).toMatchObject({ code: "reference_released", outcome: "answered" });
  expect(await pair.failure(pair.remoteB.call())).toMatchObject({ code: "reference_released" });
  expect(pair.a.peer.figures.lentCount).toBe(0);
  expect(calls).toBe(1);
  keeper.kept = [];
  await pair.answer(pair.remoteB.keep(mine));
  expect(await pair.answer(pair.remoteB.call())).toBe(2);
});

test("revoke that overtakes the loan: calls fail, nothing else", async () => {
  const { pair, keeper } = setUp();
  const mine = () => 1;
  const call = pair.remoteB.keep(mine);
  revoke(mine);
  pair.b.peer.receive(pair.a.sink.hand(1), 0);
  await pair.answer(call);
  expect(await pair.failure(pair.remoteB.call())).toMatchObject({ code: "reference_released" });
  release(keeper.kept[0] as object);
  await pair.settle();
  expect(pair.a.peer.figures.lentCount).toBe(0);
});

test("what the giver has revoked and gets back is refused, for that call alone", async () => {
  const { pair } = setUp();
  const mine = () => 1;
  await pair.answer(pair.remoteB.keep(mine));
  const giving = pair.remoteB.give();
  pair.travel(pair.a, pair.b);
  revoke(mine);
  expect(await pair.failure(giving)).toMatchObject({ code: "reference_released", outcome: "answered" });
  await pair.settle();
  expect(pair.a.peer.figures.lentCount).toBe(0);
});

test("referencesMax: an event at four fifths, and at the limit the call that lends one more fails", async () => {
  const { pair, keeper } = setUp({ limits: { ...limits, referencesMax: 100 } });
  const lend = () => pair.answer(pair.remoteB.keep(() => 1));
  for (let n = 0; n < 79; n++) await lend();
  expect(pair.a.told.high).toEqual([]);
  await lend();
  expect(pair.a.told.high).toEqual([{ lent: 80, referencesMax: 100 }]);
  for (let n = 0; n < 20; n++) await lend();
  const error = await pair.failure(
    pair.remoteB.keep(
      () => 2,
      () => 3,
    ),
  );
  expect(error).toMatchObject({ code: "reference_quota", outcome: "not_sent" });
  expect(pair.a.told.high).toHaveLength(1);
  expect(pair.a.peer.figures.lentCount).toBe(100);
  for (const stub of keeper.kept.splice(0, 60)) release(stub as object);
  await pair.settle();
  expect(pair.a.peer.figures.lentCount).toBe(40);
  for (let n = 0; n < 40; n++) await lend();
  expect(pair.a.told.high).toHaveLength(2);
});

test("a call that is not sent lends nothing", async () => {
  const { pair } = setUp({ limits: { ...limits, callsInFlightMax: 1 } });
  const unsendable = pair.remoteB.keep(() => 1, Symbol("x"));
  expect(await pair.failure(unsendable)).toMatchObject({ code: "invalid_argument" });
  pair.a.sink.messageBytesMax = 1_000;
  const large = pair.remoteB.keep(() => 1, new Uint8Array(1_000));
  expect(await pair.failure(large)).toMatchObject({ code: "message_too_large" });
  pair.a.sink.queueBytesMax = 300;
  pair.remoteB.keep().catch(() => {});
  pair.remoteB.keep(() => 1, new Uint8Array(300)).catch(() => {});
  const waiting = pair.remoteB.keep(() => 1);
  expect(pair.a.peer.figures).toMatchObject({ waitingCount: 1, lentCount: 1 });
  waiting[Symbol.dispose]();
  expect(pair.a.peer.figures).toMatchObject({ waitingCount: 0, lentCount: 0 });
});

test("stubs of a call that is not started, or of an answer that nobody wants, are released", async () => {
  const { pair, keeper } = setUp();
  const unknown = (pair.remoteB as unknown as { nothing(value: unknown): Promise<void> }).nothing(() => 1);
  expect(await pair.failure(unknown)).toMatchObject({ code: "method_unknown" });
  expect(pair.a.peer.figures.lentCount).toBe(0);
  const dropped = pair.remoteB.counter();
  dropped[Symbol.dispose]();
  pair.b.peer.receive(pair.a.sink.hand(), 0);
  await pair.settle();
  expect(pair.b.peer.figures.lentCount).toBe(0);
  expect(keeper.kept).toEqual([]);
});

test("a stub that several calls bring is released when none of them is delivered, and only then", async () => {
  interface Feed extends Target {
    on(fn: () => string): void;
  }
  const kept: (() => Promise<string>)[] = [];
  const root = {
    keep: (fn: () => Promise<string>) => void kept.push(fn),
    feed: async (): Promise<Feed> => Promise.reject(new Error("no feed")),
  };
  const pair = new Pair<unknown, typeof root>(undefined, root);
  const fn = async () => "called";
  // The one that brings it first waits for a result, and is given up when the other one is delivered.
  const undelivered = pair.remoteB.feed().result.on(fn);
  void pair.remoteB.keep(fn);
  expect(await pair.failure(undelivered)).toMatchObject({ message: "no feed" });
  expect(await pair.answer((kept[0] as () => Promise<string>)())).toBe("called");
  const other = async () => "other";
  const both = [pair.remoteB.feed().result.on(other), pair.remoteB.feed().result.on(other)];
  for (const call of both) call.catch(() => {});
  await pair.settle();
  expect(pair.a.peer.figures.lentCount).toBe(1);
});

test("10,000 functions lent and released leave nothing behind", async () => {
  const { pair } = setUp();
  for (let n = 0; n < 10; n++) {
    for (let i = 0; i < 1_000; i++) pair.remoteB.keep(() => i);
    await pair.settle();
    expect(pair.a.peer.figures.lentCount).toBe(1_000);
    await pair.answer(pair.remoteB.letGo());
    await pair.settle();
  }
  const nothing = { openCount: 0, lentCount: 0, heldCount: 0 };
  expect(pair.a.peer.figures).toMatchObject(nothing);
  expect(pair.b.peer.figures).toMatchObject(nothing);
});

test("10,000 functions and objects that went both ways and were released leave the heap as it was", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const give = { one: () => new Counter() };
  const pair = new Pair<unknown, typeof give & KeeperView>(undefined, Object.assign(give, { keep() {} }));
  const round = async (count: number) => {
    for (let n = 0; n < count; n += 500) {
      const stubs = Array.from({ length: 500 }, () => pair.remoteB.one());
      for (let i = 0; i < 500; i++) pair.remoteB.keep(() => i);
      for (const stub of await pair.answer(Promise.all(stubs))) release(stub);
      await pair.settle();
    }
    for (let n = 0; n < 20 && pair.a.peer.figures.lentCount > 0; n++) {
      collect();
      await turn();
      await pair.settle();
    }
    collect();
    return process.memoryUsage().heapUsed;
  };
  const before = await round(2_000);
  const after = await round(10_000);
  expect(pair.a.peer.figures).toMatchObject({ lentCount: 0, heldCount: 0 });
  expect(pair.b.peer.figures).toMatchObject({ lentCount: 0, heldCount: 0 });
  expect(after - before).toBeLessThan(1_000_000);
});

test("urgent keeps to its room and goes on the next time", async () => {
  const { pair } = setUp();
  for (let i = 0; i < 100; i++) pair.remoteB.keep(() => i);
  await pair.settle();
  pair.remoteB.letGo();
  pair.travel(pair.a, pair.b);
  const sizes: number[] = [];
  for (let octets = pair.b.peer.urgent(64); octets; octets = pair.b.peer.urgent(64)) {
    sizes.push(octets.length);
    pair.a.peer.receive(octets, 0);
  }
  expect(Math.max(...sizes)).toBeLessThanOrEqual(64);
  expect(pair.a.peer.figures.lentCount).toBe(0);
});

test("a stub that is garbage is released", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const { pair, keeper } = setUp();
  await pair.answer(pair.remoteB.keep(() => 1));
  keeper.kept = [];
  for (let n = 0; n < 20 && pair.a.peer.figures.lentCount > 0; n++) {
    collect();
    await turn();
    await pair.settle();
  }
  expect(pair.a.peer.figures.lentCount).toBe(0);
});

test("after the end nothing is lent, and stubs fail with the end", async () => {
  const { pair } = setUp();
  const stub = (await pair.answer(pair.remoteB.counter())) as Stub<Counter>;
  const mine = () => 1;
  await pair.answer(pair.remoteB.keep(mine));
  pair.a.peer.end(new DuowireError("lease_expired"));
  expect(await pair.failure(stub.add(1))).toMatchObject({ code: "not_sent", cause: { code: "lease_expired" } });
  release(stub);
  expect(revoke(mine)).toBe(false);
  expect(pair.a.peer.figures).toMatchObject({ lentCount: 0, heldCount: 0 });
});
