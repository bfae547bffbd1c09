/** Schemas of methods: what fits is called with what the schema made, what does not is refused with its issues. */
import { type } from "arktype";
import * as v from "valibot";
import { expect, test } from "vitest";
import * as z from "zod";
import { DuowireError } from "../../src/base/errors.js";
import { callContext } from "../../src/rpc/incoming-call.js";
import type { Interceptor } from "../../src/rpc/interceptors.js";
import { methodsOf } from "../../src/rpc/method-table.js";
import { Target } from "../../src/rpc/service.js";
import type { StandardSchema } from "../../src/rpc/standard-schema.js";
import { ISSUES_MAX, withSchemas } from "../../src/rpc/validation.js";
import { failure } from "../support/failures.js";
import { Pair, turn } from "./support.js";

type Calls = Record<string, (...args: unknown[]) => Promise<unknown>>;

const orders = {
  zod: z.object({ symbol: z.string(), total: z.number().positive(), unit: z.string().default("EUR") }),
  valibot: v.object({
    symbol: v.string(),
    total: v.pipe(v.number(), v.gtValue(0)),
    unit: v.optional(v.string(), "EUR"),
  }),
  arktype: type({ symbol: "string", total: "number > 0", unit: "string = 'EUR'" }),
};

/** A schema by hand. */
function schema<T>(validate: StandardSchema<T>["~standard"]["validate"]): StandardSchema<T> {
  return { "~standard": { version: 1, vendor: "test", validate } };
}

function deskWith(order: StandardSchema) {
  const seen: unknown[][] = [];
  class Desk extends Target {
    static {
      withSchemas(Desk as never, { place: { args: [order] } } as never);
    }
    place(...args: unknown[]): string {
      seen.push(args);
      return "placed";
    }
  }
  return { seen, pair: new Pair<unknown, Calls>(undefined, new Desk()) };
}

test.for(Object.entries(orders))("%s: a method gets what its schema made of the arguments", async ([, order]) => {
  const { seen, pair } = deskWith(order as StandardSchema);
  expect(await pair.answer((pair.remoteB as Calls).place?.({ symbol: "ACME", total: 5 }) as Promise<unknown>)).toBe(
    "placed",
  );
  expect(seen).toStrictEqual([[{ symbol: "ACME", total: 5, unit: "EUR" }]]);
});

test.for(Object.entries(orders))(
  "%s: what does not fit is refused with its issues, and not called",
  async ([, order]) => {
    const { seen, pair } = deskWith(order as StandardSchema);
    const error = await pair.failure((pair.remoteB as Calls).place?.({ symbol: 1, total: -5 }) as Promise<unknown>);
    expect(error).toBeInstanceOf(DuowireError);
    expect(error).toMatchObject({ code: "invalid_argument", outcome: "answered", side: "remote" });
    const { issues } = error.data as { issues: { path: unknown[]; message: string }[] };
    expect(issues.map(({ path }) => path)).toStrictEqual([
      [0, "symbol"],
      [0, "total"],
    ]);
    expect(error.message).toContain("place: arguments[0].symbol: ");
    expect(error.message).toContain(issues[0]?.message);
    expect(error.message).toContain("1 more");
    expect(seen).toStrictEqual([]);
    expect(pair.b.told.serviceErrors).toStrictEqual([]);
  },
);

test("A call with too few arguments meets their schemas, one with more than schemas is refused", async () => {
  class Desk extends Target {
    static {
      withSchemas(Desk, { find: { args: [z.string(), z.number().optional()] } });
    }
    find(_word: string, _limit?: number): number {
      // biome-ignore lint/complexity/noArguments: how many came is what is tested
      return arguments.length;
    }
  }
  const pair = new Pair(undefined, new Desk());
  const { find } = pair.remoteB as Calls;
  expect(await pair.answer(find?.("a") as Promise<unknown>)).toBe(1);
  expect(await pair.answer(find?.("a", 1) as Promise<unknown>)).toBe(2);
  expect(await pair.failure(find?.() as Promise<unknown>)).toMatchObject({ data: { issues: [{ path: [0] }] } });
  const tooMany = await pair.failure(find?.("a", 1, 2) as Promise<unknown>);
  expect(tooMany).toMatchObject({ code: "invalid_argument", data: { issues: [{ path: [2] }] } });
});

test("One schema may stand for all arguments", async () => {
  const root = withSchemas({ sum: (...all: number[]) => all.length }, { sum: { args: z.array(z.number().int()) } });
  const pair = new Pair(undefined, root);
  const { sum } = pair.remoteB as unknown as Calls;
  expect(await pair.answer(sum?.(1, 2, 3) as Promise<unknown>)).toBe(3);
  expect(await pair.failure(sum?.(1, 2.5) as Promise<unknown>)).toMatchObject({ data: { issues: [{ path: [1] }] } });
});

test("A result is what its schema makes of it; one that does not fit is told here, and nothing of it there", async () => {
  class Desk extends Target {
    static {
      withSchemas(Desk, {
        trim: { result: z.string().trim() },
        broken: { result: z.number() },
        far: { result: z.string() },
      });
    }
    async trim(): Promise<string> {
      return " a ";
    }
    broken(): number {
      return "secret" as unknown as number;
    }
    far(): Promise<string> {
      return (pair.remoteA as Calls).name?.() as Promise<string>;
    }
  }
  const pair: Pair = new Pair({ name: () => "n" }, new Desk());
  const { trim, broken, far } = pair.remoteB as Calls;
  expect(await pair.answer(trim?.() as Promise<unknown>)).toBe("a");
  expect(await pair.answer(far?.() as Promise<unknown>)).toBe("n");
  const error = await pair.failure(broken?.() as Promise<unknown>);
  expect(error).toMatchObject({ code: "internal_error", outcome: "answered" });
  expect(error.data).toBeUndefined();
  expect(error.cause).toBeUndefined();
  expect(pair.b.told.serviceErrors).toMatchObject([{ method: "broken", error: { data: { issues: [{ path: [] }] } } }]);
});

test("Synchronous schemas keep calls in their order; one that is asynchronous delays its own call only", async () => {
  const order: string[] = [];
  const slow = schema<string>(async (value) => {
    await turn();
    return value === "no" ? { issues: [{ message: "no" }] } : { value: `${value}!` };
  });
  class Desk extends Target {
    static {
      withSchemas(Desk, { now: { args: [z.string()] }, wait: { args: [slow] } });
    }
    now(name: string): void {
      order.push(name);
    }
    wait(name: string): string | undefined {
      order.push(name);
      return callContext().metadata.from;
    }
  }
  const pair = new Pair(undefined, new Desk());
  const { now, wait } = pair.a.peer.remoteWith({ metadata: { from: "here" } }) as Calls;
  const calls = [now?.("1"), wait?.("2"), now?.("3")];
  expect(await pair.answer(Promise.all(calls))).toStrictEqual([undefined, "here", undefined]);
  expect(order).toStrictEqual(["1", "3", "2!"]);
  expect(await pair.failure(wait?.("no") as Promise<unknown>)).toMatchObject({ data: { issues: [{ path: [0] }] } });
});

test("A schema that throws is the owner's error, and none of its words reach the caller as a code", async () => {
  const bad = schema<string>(() => {
    throw new RangeError("bug");
  });
  const pair = new Pair(undefined, withSchemas({ a: (text: string) => text }, { a: { args: [bad] } }));
  const error = await pair.failure((pair.remoteB as unknown as Calls).a?.("x") as Promise<unknown>);
  expect(error).toMatchObject({ remote: true, name: "RangeError" });
  expect(pair.b.told.serviceErrors).toHaveLength(1);
});

test("What a client exposes, and functions that are passed, have schemas too", async () => {
  const expose = withSchemas({ confirm: (question: string) => question !== "" }, { confirm: { args: [z.string()] } });
  const given: ((price: unknown) => unknown)[] = [];
  const pair = new Pair(expose, { watch: (onPrice: (typeof given)[0]) => given.push(onPrice) });
  expect(await pair.failure((pair.remoteA as unknown as Calls).confirm?.(5) as Promise<unknown>)).toMatchObject({
    code: "invalid_argument",
  });
  const onPrice = withSchemas((price: number) => price + 1, { args: [z.number()], result: z.number() });
  await pair.answer((pair.remoteB as unknown as Calls).watch?.(onPrice) as Promise<unknown>);
  expect(await pair.answer(given[0]?.(5) as Promise<unknown>)).toBe(6);
  expect(await pair.failure(given[0]?.("5") as Promise<unknown>)).toMatchObject({ data: { issues: [{ path: [0] }] } });
});

test("Functions that came with a refused call are given back", async () => {
  const root = withSchemas({ watch: (_n: number, _f: () => void) => {} }, { watch: { args: [z.number(), null] } });
  const pair = new Pair(undefined, root);
  await pair.failure((pair.remoteB as unknown as Calls).watch?.("no", () => {}) as Promise<unknown>);
  expect([pair.a.peer.figures.lentCount, pair.b.peer.figures.heldCount]).toStrictEqual([0, 0]);
});

test("Interceptors see a refused call as what it is", async () => {
  const seen: unknown[] = [];
  const watch: Interceptor = (_call, next) =>
    next().catch((error: DuowireError) => {
      seen.push(error.code);
      throw error;
    });
  const root = withSchemas({ a: (n: number) => n }, { a: { args: [z.number()] } });
  const pair = new Pair(undefined, root, {}, { interceptors: [watch] });
  const error = await pair.failure((pair.remoteB as unknown as Calls).a?.("x") as Promise<unknown>);
  expect(error).toMatchObject({ code: "invalid_argument", data: { issues: [{ path: [0] }] } });
  expect(seen).toStrictEqual(["invalid_argument"]);
  expect(pair.b.told.serviceErrors).toStrictEqual([]);
});

test("Issues are bounded, whatever a schema says", async () => {
  const chatty = schema<unknown>(() => ({
    issues: Array.from({ length: 1_000 }, () => ({
      message: "m".repeat(10_000),
      path: Array.from({ length: 100 }, () => Symbol("x".repeat(10_000))),
    })),
  }));
  const pair = new Pair(undefined, withSchemas({ a: (one: unknown) => one }, { a: { args: [chatty] } }));
  const error = await pair.failure((pair.remoteB as unknown as Calls).a?.(1) as Promise<unknown>);
  const { issues } = error.data as { issues: { path: unknown[]; message: string }[] };
  expect(issues).toHaveLength(ISSUES_MAX);
  expect(issues[0]?.path.length).toBeLessThan(40);
  expect(issues[0]?.message.length).toBeLessThan(1_000);
});

test("withSchemas is inherited, and the nearest class counts", async () => {
  class Base extends Target {
    static {
      withSchemas(Base, { a: { args: [z.string()] }, b: { args: [z.string()] } });
    }
    a(one: string): string {
      return one;
    }
    b(one: string): unknown {
      return one;
    }
  }
  class Derived extends Base {
    static {
      withSchemas(Derived, { b: { args: [schema<string>((value) => ({ value: `${value}!` }))] } });
    }
    override a(one: string): string {
      return one;
    }
  }
  const pair = new Pair(undefined, new Derived());
  const { a, b } = pair.remoteB as unknown as Calls;
  expect(await pair.failure(a?.(1) as Promise<unknown>)).toMatchObject({ code: "invalid_argument" });
  expect(await pair.answer(b?.(1) as Promise<unknown>)).toBe("1!");
});

test("withSchemas refuses what is no schema, no method, and a second time", () => {
  const loose = withSchemas as (target: object, schemas: object) => object;
  for (const no of ["string", {}, () => 1, { "~standard": { version: 2, validate: () => ({ value: 1 }) } }]) {
    expect(failure(() => loose({ a: () => 1 }, { a: { args: [no] } }))).toMatchObject({ code: "invalid_argument" });
    expect(failure(() => loose({ a: () => 1 }, { a: { result: no } }))).toMatchObject({ code: "invalid_argument" });
  }
  const object = loose({ a: () => 1 }, { toString: { result: z.string() } });
  expect(failure(() => methodsOf(object))).toMatchObject({ message: expect.stringContaining("toString") });
  expect(failure(() => loose(object, {}))).toMatchObject({ code: "invalid_argument" });
  const inUse = { a: () => 1 };
  methodsOf(inUse);
  expect(failure(() => loose(inUse, {}))).toMatchObject({ code: "invalid_argument" });
});
