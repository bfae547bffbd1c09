import { expect, test } from "vitest";
import { DuowireError } from "../../src/base/errors.js";
import { OctetWriter } from "../../src/base/octets.js";
import { FAILURE } from "../../src/rpc/messages.js";
import { RemoteError } from "../../src/rpc/remote-error.js";
import { ValueEncoder } from "../../src/rpc/values.js";
import { Pair, turn } from "./support.js";

test("RpcPeer answers calls both ways at once", async () => {
  const left = { hello: (name: string) => `left ${name}` };
  const right = { hello: async (name: string) => `right ${name}` };
  const pair = new Pair<typeof left, typeof right>(left, right);
  const both = Promise.all([pair.remoteB.hello("a"), pair.remoteA.hello("b")]);
  expect(await pair.answer(both)).toEqual(["right a", "left b"]);
  expect(pair.a.peer.isBusy).toBe(false);
});

test("RpcPeer calls within calls", async () => {
  const client = { confirm: async (question: string) => question === "really?" };
  const service = {
    place: async (): Promise<string> => ((await pair.remoteA.confirm("really?")) ? "placed" : "cancelled"),
  };
  const pair = new Pair<typeof client, typeof service>(client, service);
  expect(await pair.answer(pair.remoteB.place())).toBe("placed");
});

test("RpcPeer runs 1,000 numbered calls each way in order, awaited or not", async () => {
  const seenA: number[] = [];
  const seenB: number[] = [];
  const left = { take: (n: number) => seenA.push(n) };
  const right = { take: async (n: number) => seenB.push(n) };
  const pair = new Pair<typeof left, typeof right>(left, right);
  const answers: PromiseLike<number>[] = [];
  for (let n = 0; n < 1_000; n++) {
    if (n % 2 === 0) answers.push(pair.remoteB.take(n));
    else pair.remoteB.take(n);
    pair.remoteA.take(n);
  }
  await pair.settle();
  const numbers = Array.from({ length: 1_000 }, (_, n) => n);
  expect(seenA).toEqual(numbers);
  expect(seenB).toEqual(numbers);
  expect(await Promise.all(answers)).toEqual(numbers.filter((n) => n % 2 === 0).map((n) => n + 1));
  expect(pair.a.peer.figures).toMatchObject({ openCount: 0, runningCount: 0, lateAnswers: 0 });
});

test("RpcPeer calls a callback later, after its call was answered", async () => {
  let later: ((price: number) => void) | undefined;
  const service = {
    watch: (onPrice: (price: number) => void) => {
      later = onPrice;
    },
  };
  const pair = new Pair<unknown, typeof service>(undefined, service);
  const prices: number[] = [];
  await pair.answer(pair.remoteB.watch((price) => void prices.push(price)));
  later?.(1);
  later?.(2);
  await pair.settle();
  expect(prices).toEqual([1, 2]);
});

test("RpcPeer passes undefined, octets and nothing", async () => {
  const service = { echo: (...values: unknown[]) => values, nothing() {} };
  const pair = new Pair<unknown, typeof service>(undefined, service);
  expect(await pair.answer(pair.remoteB.nothing())).toBe(undefined);
  const values = [undefined, null, new Uint8Array([1, 2]), new Map([[1, new Date(0)]])];
  expect(await pair.answer(pair.remoteB.echo(...values))).toEqual(values);
});

test("FAILURE carries name, message, code, data and cause, and the event the original", async () => {
  const original = Object.assign(new RangeError("too far", { cause: new Error("wind") }), { code: "E_FAR", data: [1] });
  const service = {
    fail() {
      throw original;
    },
  };
  const pair = new Pair<unknown, typeof service>(undefined, service);
  const error = (await pair.failure(pair.remoteB.fail())) as unknown as RemoteError;
  expect(error).toBeInstanceOf(RemoteError);
  expect(error).toMatchObject({ name: "RangeError", message: "too far", code: "E_FAR", data: [1], remote: true });
  expect(error.cause).toMatchObject({ message: "wind" });
  expect(error.stack).not.toContain("calls.test");
  expect(pair.b.told.serviceErrors).toEqual([{ method: "fail", error: original }]);
  expect(original.stack).toContain("calls.test.ts");
});

test("FAILURE carries a stack when that is allowed", async () => {
  const service = { fail: () => Promise.reject(new Error("x")) };
  const pair = new Pair<unknown, typeof service>(undefined, service, {}, { stacks: true });
  expect((await pair.failure(pair.remoteB.fail())).stack).toContain("calls.test");
});

test("FAILURE of a thrown value that is no Error is a RemoteError with that value", async () => {
  const service = { fail: () => Promise.reject({ reason: 7 }) };
  const pair = new Pair<unknown, typeof service>(undefined, service);
  expect(await pair.failure(pair.remoteB.fail())).toMatchObject({ remote: true, data: { reason: 7 } });
});

test("FAILURE of a thrown value that cannot cross says so", async () => {
  const service = { fail: () => Promise.reject(Symbol("x")) };
  const pair = new Pair<unknown, typeof service>(undefined, service);
  const error = await pair.failure(pair.remoteB.fail());
  expect(error).toMatchObject({ code: "invalid_argument", outcome: "answered", side: "remote" });
});

test("FAILURE of a method that throws a DuowireError, or what looks like one, is a RemoteError with its code", async () => {
  const codes = ["invalid_argument", "deadline_exceeded", "not_sent", "closed"] as const;
  const service = {
    fail: (index: number) => Promise.reject(new DuowireError(codes[index] ?? "closed", "mine")),
    forge: (index: number) => {
      throw Object.assign(new Error("mine"), { name: "DuowireError", code: codes[index] });
    },
  };
  const pair = new Pair<unknown, typeof service>(undefined, service);
  for (const [index, code] of codes.entries()) {
    for (const call of [pair.remoteB.fail(index), pair.remoteB.forge(index)]) {
      const error = await pair.failure(call);
      expect(error).not.toBeInstanceOf(DuowireError);
      expect(error).toMatchObject({ name: "Error", remote: true, code, message: "mine" });
    }
  }
  expect(pair.b.told.serviceErrors.some(({ error }) => error instanceof DuowireError)).toBe(true);
});

test("FAILURE of the far side's library is a DuowireError with a code of a call, and never with one of a session", async () => {
  const pair = new Pair<unknown, { any(): void }>();
  const codes = [
    "invalid_argument",
    "deadline_exceeded",
    "not_sent",
    "outcome_unknown",
    "closed",
    "superseded",
  ] as const;
  for (const [index, code] of codes.entries()) {
    const call = pair.remoteB.any();
    pair.a.sink.hand();
    const writer = new OctetWriter();
    writer.u16(FAILURE);
    writer.u8(index + 1);
    new ValueEncoder().encode(writer, new DuowireError(code));
    pair.a.peer.receive(writer.take(), 0);
    const error = await pair.failure(call);
    expect(error.code).toBe(code);
    expect(error instanceof DuowireError).toBe(index < 2);
    if (index < 2) expect(error).toMatchObject({ side: "remote", outcome: "answered" });
  }
});

test("FAILURE cannot forge a class of this side", async () => {
  for (const name of ["constructor", "toString", "__proto__", "AssertionError", "TypeError"]) {
    const service = { fail: () => Promise.reject(Object.assign(new Error("x"), { name })) };
    const pair = new Pair<unknown, typeof service>(undefined, service);
    const error = await pair.failure(pair.remoteB.fail());
    expect(Object.getPrototypeOf(error)).toBe(RemoteError.prototype);
  }
});

test("RESULT that cannot cross is FAILURE invalid_argument with its path, and the event", async () => {
  const service = { get: () => ({ items: [1, new WeakMap()] }) };
  const pair = new Pair<unknown, typeof service>(undefined, service);
  const error = await pair.failure(pair.remoteB.get());
  expect(error).toMatchObject({ code: "invalid_argument", outcome: "answered" });
  expect(error.message).toContain("result.items[1]");
  expect(pair.b.told.serviceErrors).toMatchObject([{ method: "get", error: { code: "invalid_argument" } }]);
});

test("RESULT above messageBytesMax is FAILURE message_too_large", async () => {
  const service = { get: () => new Uint8Array(100_000) };
  const pair = new Pair<unknown, typeof service>(undefined, service);
  pair.b.sink.messageBytesMax = 90_000;
  expect(await pair.failure(pair.remoteB.get())).toMatchObject({ code: "message_too_large", outcome: "answered" });
  expect(pair.b.told.serviceErrors).toHaveLength(1);
});

test("RESULT with a function named then is refused on both sides, never awaited", async () => {
  let calls = 0;
  // biome-ignore lint/suspicious/noThenProperty: that is the test.
  const service = { get: () => ({ then: () => void calls++ }), echo: (value: unknown) => value };
  const pair = new Pair<unknown, typeof service>(undefined, service);
  expect(await pair.failure(pair.remoteB.get())).toMatchObject({ code: "invalid_argument" });
  expect(calls).toBe(0);
  // What came over the wire is data: a synchronous method may hold it, and it is not called.
  // biome-ignore lint/suspicious/noThenProperty: that is the test.
  const error = await pair.failure(pair.remoteB.echo({ then: () => void calls++ }));
  expect(error).toMatchObject({ code: "invalid_argument" });
  expect(calls).toBe(0);
});

test("call arguments that cannot cross reject at once with their path, and take no number", async () => {
  const service = { take: (value: unknown) => value };
  const pair = new Pair<unknown, typeof service>(undefined, service);
  const error = await pair.failure(pair.remoteB.take({ deep: [Promise.resolve(1)] }));
  expect(error).toMatchObject({ code: "invalid_argument", side: "local", outcome: "not_sent" });
  expect(error.message).toContain("arguments[0].deep[0]");
  expect(await pair.answer(pair.remoteB.take(1))).toBe(1);
});

test("call from a getter of its own arguments fails alone", async () => {
  const service = { take: (value: unknown) => value };
  const pair = new Pair<unknown, typeof service>(undefined, service);
  let inner: PromiseLike<unknown> | undefined;
  const value = {
    get x() {
      inner = pair.remoteB.take(2);
      return 1;
    },
  };
  expect(await pair.answer(pair.remoteB.take(value))).toEqual({ x: 1 });
  expect(await pair.failure(inner as PromiseLike<unknown>)).toMatchObject({ code: "invalid_argument" });
});

test("call arguments are a snapshot", async () => {
  const service = { take: (value: unknown) => value };
  const pair = new Pair<unknown, typeof service>(undefined, service);
  const value = { n: 1 };
  const call = pair.remoteB.take(value);
  value.n = 2;
  expect(await pair.answer(call)).toEqual({ n: 1 });
});

test("RemoteCall that nobody looks at is an event, never an unhandled rejection", async () => {
  const unhandled: unknown[] = [];
  const listener = (error: unknown) => unhandled.push(error);
  process.on("unhandledRejection", listener);
  try {
    const service = { fail: () => Promise.reject(new Error("x")), ok: () => 1 };
    const pair = new Pair<unknown, typeof service>(undefined, service);
    pair.remoteB.fail();
    pair.remoteB.ok();
    const looked = pair.remoteB.fail();
    looked.catch(() => {});
    await pair.settle();
    expect(pair.a.told.callFailed).toMatchObject([{ method: "fail", error: { message: "x" } }]);
    pair.remoteB.fail();
    pair.a.peer.end(new DuowireError("lease_expired"));
    await pair.settle();
    await turn();
    expect(pair.a.told.callFailed).toHaveLength(2);
    expect(unhandled).toEqual([]);
  } finally {
    process.off("unhandledRejection", listener);
  }
});

test("RemoteCall can be looked at after it failed, and more than once", async () => {
  const service = { fail: () => Promise.reject(new Error("x")), ok: () => 5 };
  const pair = new Pair<unknown, typeof service>(undefined, service);
  const failed = pair.remoteB.fail();
  const ok = pair.remoteB.ok();
  await pair.settle();
  await expect(failed).rejects.toThrow("x");
  await expect(failed.finally(() => {})).rejects.toThrow("x");
  expect(await failed.catch(() => 3)).toBe(3);
  expect(await Promise.all([ok, ok])).toEqual([5, 5]);
  expect(await ok.then((n) => n + 1)).toBe(6);
  await expect(ok[Symbol.asyncIterator]().next()).rejects.toThrow(/no stream/);
  expect(String(ok)).toBe("[object RemoteCall]");
});

test("RpcPeer waits with calls until it has a root, if told so", async () => {
  const pair = new Pair<unknown, { hi(): string }>(undefined, undefined, {}, { awaitsRoot: true });
  const call = pair.remoteB.hi();
  await pair.settle();
  expect(pair.b.peer.figures.runningCount).toBe(1);
  pair.b.peer.serve({ hi: () => "hello" });
  expect(await pair.answer(call)).toBe("hello");
});

test("RpcPeer.end settles every call with what is known of it", async () => {
  const service = { never: () => new Promise<void>(() => {}) };
  for (const reason of [
    new DuowireError("lease_expired", undefined, { side: "local" }),
    new DuowireError("closed", undefined, { side: "remote" }),
    new DuowireError("closed", undefined, { side: "local" }),
  ]) {
    const limits = { callsInFlightMax: 2, messageBytesMax: 1e6, referencesMax: 10 };
    const pair = new Pair<unknown, typeof service>(undefined, service, {}, { limits });
    const calls = [pair.remoteB.never()];
    pair.travel(pair.a, pair.b);
    calls.push(pair.remoteB.never(), pair.remoteB.never());
    const isOwn = reason.code === "closed" && reason.side === "local";
    pair.a.peer.end(reason);
    calls.push(pair.remoteB.never());
    const errors = await Promise.all(calls.map((call) => pair.failure(call)));
    const outcomes = ["outcome_unknown", "not_sent", "not_sent", "not_sent"];
    expect(errors.map((error) => error.outcome)).toEqual(outcomes);
    expect(errors.map((error) => error.code)).toEqual(isOwn ? outcomes.map(() => "closed") : outcomes);
    expect(errors.every((error) => error.cause === reason)).toBe(true);
    expect(pair.a.peer.isBusy).toBe(false);
  }
});
