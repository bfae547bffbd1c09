/** Stubs that are passed on to a third side: calls of them go through the one in the middle. */
import { expect, test } from "vitest";
import { DuowireError } from "../../src/base/errors.js";
import { Target } from "../../src/rpc/service.js";
import { release } from "../../src/rpc/stub.js";
import type { Remote, Stub } from "../../src/rpc/types.js";
import { hex, octets, Pair } from "./support.js";

class Counter extends Target {
  n = 0;
  add(by: number): number {
    this.n += by;
    return this.n;
  }
  each(on: (n: number) => void): () => number {
    on(this.n);
    return () => this.n;
  }
  self(): Counter {
    return this;
  }
  is(other: unknown): boolean {
    return other === this;
  }
  slow(): Promise<void> {
    return new Promise(() => {});
  }
  fail(): void {
    throw new RangeError("too far");
  }
}

class Far extends Target {
  kept: unknown[] = [];
  keep(value: unknown): void {
    this.kept.push(value);
  }
  back(): unknown {
    return this.kept[0];
  }
}

/** `first` has a counter, `second` keeps what it gets, and the middle is the caller of both. */
async function setUp() {
  const counter = new Counter();
  const far = new Far();
  const first = new Pair<unknown, { get(): Counter }>(undefined, { get: () => counter });
  const second = new Pair<unknown, Far>(undefined, far);
  const stub = (await first.answer(first.remoteB.get())) as Stub<Counter>;
  await second.answer((second.remoteB as Remote<Far>).keep(stub));
  return { counter, far, first, second, stub, relayed: far.kept[0] as Stub<Counter> };
}

/** Lets everything travel on both ways. */
async function both<T>({ first, second }: Awaited<ReturnType<typeof setUp>>, call: PromiseLike<T>): Promise<T> {
  const result = Promise.resolve(call);
  result.catch(() => {});
  for (let n = 0; n < 6; n++) {
    await first.settle();
    await second.settle();
  }
  return result;
}

test("calls, their functions and their results go through the one in the middle", async () => {
  const setting = await setUp();
  const { counter, relayed } = setting;
  expect(await both(setting, relayed.add(3))).toBe(3);
  const heard: number[] = [];
  const get = (await both(
    setting,
    relayed.each((n) => {
      heard.push(n);
    }),
  )) as () => Promise<number>;
  expect(heard).toEqual([3]);
  counter.n = 7;
  expect(await both(setting, get())).toBe(7);
  expect(await both(setting, relayed.self().result.add(1))).toBe(8);
});

test("a relayed stub is one thing to everybody: at home it is the original", async () => {
  const setting = await setUp();
  const { relayed, stub, second } = setting;
  expect(await both(setting, relayed.self())).toBe(relayed);
  expect(await both(setting, (second.remoteB as Remote<Far>).back())).toBe(stub);
  expect(await both(setting, relayed.is(relayed))).toBe(true);
});

test("what is thrown, and what cannot be called, arrives as it would without the middle", async () => {
  const setting = await setUp();
  const { relayed } = setting;
  const thrown = await both(setting, relayed.fail()).catch((error: unknown) => error);
  expect(thrown).toMatchObject({ name: "RangeError", message: "too far", remote: true });
  const any = relayed as unknown as Record<string, () => Promise<unknown>>;
  for (const method of ["nothing", "n", "_x", "constructor"]) {
    const call = any[method]?.();
    if (call)
      expect(await both(setting, call).catch((error: unknown) => error)).toMatchObject({ code: "method_unknown" });
  }
});

test("a function's stub has no methods to a relay, whatever functions have", async () => {
  const first = new Pair<unknown, { get(): () => number }>(undefined, { get: () => () => 1 });
  const far = new Far();
  const second = new Pair<unknown, Far>(undefined, far);
  const fn = await first.answer(first.remoteB.get());
  await second.answer((second.remoteB as Remote<Far>).keep(fn));
  for (const [index, method] of ["call", "bind", "apply", "length", "name", ""].entries()) {
    const name = Buffer.from(method).toString("hex");
    second.a.peer.receive(octets(`95 01 0${index + 1} 01 a${method.length}${name} 90`), 0);
    await first.settle();
    const answer = hex(second.a.sink.hand());
    if (method === "") expect(answer).toBe("93020601");
    else expect(answer).toContain(Buffer.from("method_unknown").toString("hex"));
  }
});

test("a call that is cancelled is cancelled at home, and in between", async () => {
  const setting = await setUp();
  const { relayed, first, second } = setting;
  const call = relayed.slow();
  await both(setting, Promise.resolve());
  expect(first.b.peer.figures.runningCount).toBe(1);
  call[Symbol.dispose]();
  await both(setting, Promise.resolve());
  expect(await second.failure(call)).toMatchObject({ code: "cancelled" });
  const { open } = (first.a.peer as unknown as { outgoing: { open: Map<number, { isSettled: boolean }> } }).outgoing;
  expect([...open.values()].map((one) => one.isSettled)).toEqual([true]);
});

test("the end of the first session rejects calls of the second one, with the reason", async () => {
  const setting = await setUp();
  const { relayed, first } = setting;
  first.a.peer.end(new DuowireError("lease_expired", "gone", { side: "local" }));
  const error = await both(setting, relayed.add(1)).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: "not_sent", remote: true });
  expect((error as Error).message).toMatch(/session ended/);
});

test("release goes from one to the next: of the last, and of the one in the middle", async () => {
  const setting = await setUp();
  const { relayed, first, second, stub } = setting;
  release(relayed);
  await both(setting, Promise.resolve());
  expect(second.a.peer.figures.lentCount).toBe(0);
  // The middle still has its own stub, and gives it back itself.
  expect(first.b.peer.figures.lentCount).toBe(1);
  release(stub);
  await both(setting, Promise.resolve());
  expect(first.b.peer.figures.lentCount).toBe(0);

  const again = await setUp();
  release(again.stub);
  expect(await both(again, again.relayed.add(1)).catch((error: unknown) => error)).toMatchObject({
    code: "reference_released",
  });
});
