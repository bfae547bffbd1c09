import { expect, test } from "vitest";
import { methodsOf, methodsOfClass } from "../../src/rpc/method-table.js";
import { provide, Service, type ServiceContext, Target } from "../../src/rpc/service.js";
import type { Remote } from "../../src/rpc/types.js";
import { Pair } from "./support.js";

const context: ServiceContext = { client: { isClient: true }, session: { id: "WAO1" } as ServiceContext["session"] };

class Base extends Service<{ confirm(question: string): boolean }> {
  inherited(): string {
    return "inherited";
  }
  overridden(): string {
    return "base";
  }
  hiddenByGetter(): string {
    return "base";
  }
}

class Desk extends Base {
  readonly idAtConstruction = this.session.id;
  count = 0;
  field = () => "field";
  readonly #secret = 7;
  static helper(): string {
    return "static";
  }
  place(by = 1): number {
    this.count += by;
    return this.count;
  }
  async later(): Promise<number> {
    return this.#secret;
  }
  override overridden(): string {
    return "desk";
  }
  get getter(): () => string {
    return () => "getter";
  }
  set setter(_: unknown) {}
  _private(): string {
    return "private";
  }
  [Symbol.for("x")](): string {
    return "symbol";
  }
  override toString(): string {
    return "Desk";
  }
  override opened(): void {}
  override interrupted(): void {}
  override resumed(): void {}
  override fetch(): Response {
    return new Response("x");
  }
}

Object.defineProperty(Desk.prototype, "hiddenByGetter", { get: () => () => "getter", configurable: true });

const callable = ["place", "later", "overridden", "inherited"];

test("methodsOf lists the methods of a class and its base classes, and nothing else", () => {
  const desk = provide(context, () => new Desk());
  expect([...methodsOf(desk).keys()]).toEqual(callable);
  expect(methodsOf(desk)).toBe(methodsOf(provide(context, () => new Desk())));
  expect([...methodsOfClass(Desk).keys()]).toEqual(callable);
});

test("every name that is not to be called has the same answer", async () => {
  const desk = provide(context, () => new Desk());
  const pair = new Pair<unknown, Desk>(undefined, desk);
  const names = [
    ...[
      "__proto__",
      "constructor",
      "prototype",
      "toString",
      "valueOf",
      "then",
      "catch",
      "finally",
      "toJSON",
      "dispose",
    ],
    ...["hasOwnProperty", "__defineGetter__", "__lookupGetter__", "isPrototypeOf", "propertyIsEnumerable"],
    ...["", "_private", "#secret", "a.b", "place.call", "place()", "Place", "plac\u00e9", "place\0", " place", "0"],
    ...["fetch", "client", "session", "opened", "interrupted", "resumed", "getter", "setter", "field", "count"],
    ...["hiddenByGetter", "helper", "remote", "idAtConstruction", "Symbol(x)", "x".repeat(1_000_000)],
  ];
  const answers = new Set<string>();
  for (const name of names) {
    const call = callRaw(pair, name);
    const error = await pair.failure(call);
    expect(error.code, name.slice(0, 40)).toBe("method_unknown");
    answers.add(error.message.slice(name.length));
  }
  expect(answers.size).toBe(1);
  expect([...answers][0]).not.toContain("place");
  expect(await pair.answer(pair.remoteB.place(2))).toBe(2);
  expect(await pair.answer(pair.remoteB.overridden())).toBe("desk");
  expect(await pair.answer(pair.remoteB.later())).toBe(7);
  expect(pair.b.told.serviceErrors).toEqual([]);
});

/** Calls a name that no stub would. */
function callRaw(pair: Pair<unknown, Desk>, name: string): PromiseLike<unknown> {
  const { outgoing } = pair.a.peer as unknown as {
    outgoing: { call(target: undefined, method: string, args: unknown[]): PromiseLike<unknown> };
  };
  return outgoing.call(undefined, name, []);
}

test("static remote narrows, also in a derived class", async () => {
  class Narrow extends Base {
    static readonly remote = ["inherited"] as const;
    other(): void {}
  }
  class Derived extends Narrow {
    more(): void {}
  }
  expect([...methodsOfClass(Narrow).keys()]).toEqual(["inherited"]);
  expect([...methodsOfClass(Derived).keys()]).toEqual(["inherited"]);
});

test("static remote that names no method is an error at start", () => {
  for (const remote of [["nothing"], ["constructor"], ["toString"], ["opened"], [7], "place"]) {
    class Wrong extends Desk {
      static readonly remote = remote;
    }
    expect(() => methodsOfClass(Wrong)).toThrow(/Wrong\.remote/);
  }
});

test("reserved names that are misused are an error at start", () => {
  for (const name of ["then", "catch", "finally", "dispose", "toJSON", "client", "session"]) {
    class Wrong extends Service {}
    Object.defineProperty(Wrong.prototype, name, { value() {}, configurable: true });
    expect(() => methodsOfClass(Wrong), name).toThrow(/reserved/);
    Object.defineProperty(Wrong.prototype, name, { get: () => 1 });
    expect(() => methodsOfClass(Wrong), name).toThrow(/reserved/);
    expect(() => methodsOf({ [name]: () => 1 }), name).toThrow(/reserved/);
  }
  for (const name of ["opened", "fetch"]) {
    class Wrong extends Target {}
    Object.defineProperty(Wrong.prototype, name, { value() {} });
    expect(() => methodsOf(new Wrong()), name).toThrow(/reserved/);
  }
});

test("methodsOf takes plain objects with their own functions, and refuses other instances", async () => {
  const plain = Object.assign(Object.create(null), { a: () => "a", _b: () => "b", c: 1, toString: () => "x" });
  expect([...methodsOf(plain).keys()]).toEqual(["a"]);
  expect(() => methodsOf(new (class Thing {})())).toThrow(/Target/);
  expect(() => methodsOf(new Map())).toThrow(/Target/);
  const exposed = {
    n: 1,
    get() {
      return this.n;
    },
  };
  const pair = new Pair<unknown, { get(): number }>(undefined, exposed);
  expect(await pair.answer(pair.remoteB.get())).toBe(1);
});

test("a side that exposes nothing answers method_unknown", async () => {
  const pair = new Pair<unknown, { any(): void }>();
  expect(await pair.failure(pair.remoteB.any())).toMatchObject({ code: "method_unknown", outcome: "answered" });
});

test("Service has client and session from its constructor on, and only its host can make it", () => {
  const desk = provide(context, () => new Desk());
  expect(desk.client).toBe(context.client);
  expect(desk.session).toBe(context.session);
  expect(desk.idAtConstruction).toBe("WAO1");
  expect(() => new Desk()).toThrow(/serve/);
  class Greedy extends Service {
    readonly other = new Desk();
  }
  // What belongs to a service is not given to another one that its constructor makes.
  expect(() => provide(context, () => new Greedy())).toThrow(/serve/);
  expect(() =>
    provide(context, () => {
      throw new Error("before");
    }),
  ).toThrow("before");
  expect(() => new Desk()).toThrow(/serve/);
});

test("a service calls its client through the peer's own stub", async () => {
  class Asker extends Service<{ confirm(question: string): boolean }> {
    async ask(): Promise<boolean> {
      return this.client.confirm("sure?");
    }
  }
  const pair = new Pair<unknown, Asker>({ confirm: (q: string) => q === "sure?" }, undefined, {}, { awaitsRoot: true });
  const call = pair.remoteB.ask();
  const client = pair.b.peer.remote as Remote<unknown>;
  pair.b.peer.serve(provide({ ...context, client }, () => new Asker()));
  expect(await pair.answer(call)).toBe(true);
});
