/**
 * What a program sees of the far side's types. The compiler is the judge (`npm run check`); at run time nothing here
 * happens but that the file loads.
 */
import { expectTypeOf, test } from "vitest";
import {
  type GroupClient,
  type Passed,
  type Pipelined,
  type Received,
  type Remote,
  type RemoteCall,
  type Sent,
  Service,
  type Stub,
  Target,
} from "../../src/index.js";
import type { ClientOf } from "../../src/rpc/types.js";

interface Order {
  readonly symbol: string;
  readonly total: number;
  readonly tags?: readonly string[];
}

/** What JSON.parse returns: `any`. */
type Any = ReturnType<typeof JSON.parse>;

interface Tree {
  readonly children: readonly Tree[];
}

class FileTarget extends Target {
  name = "x";
  async read(count: number): Promise<Uint8Array> {
    return new Uint8Array(count);
  }
  close(): void {}
}

interface DeskClient {
  confirm(question: string): Promise<boolean>;
  optional?(n: number): void;
}

class Desk extends Service<DeskClient> {
  fieldOfData = 1;
  arrow = (n: number) => n;
  static readonly helper = 1;
  readonly #hard = 1;

  async place(order: Order): Promise<"placed" | "cancelled"> {
    return order.total > 1 && !(await this.client.confirm("really?")) ? "cancelled" : "placed";
  }
  sync(a: number, b?: string, ...rest: Date[]): number {
    return a + (b?.length ?? 0) + rest.length + this.#hard;
  }
  watch(symbol: string, onPrice: (price: number) => void): void {
    onPrice(symbol.length);
  }
  ask(question: (q: string) => Promise<boolean>): Promise<boolean> {
    return question("x");
  }
  open(name: string): FileTarget {
    return Object.assign(new FileTarget(), { name });
  }
  async openAll(): Promise<{ readonly files: FileTarget[]; readonly total: number }> {
    return { files: [], total: 0 };
  }
  keep(_file: Stub<FileTarget>, _fn: Stub<(n: number) => string>): void {}
  same(_file: FileTarget): void {}
  listen(_on: { price?(n: number): void; readonly done: () => void }): () => void {
    return () => {};
  }
  tree(tree: Tree): Tree {
    return tree;
  }
  anything(value: unknown): Any[] {
    return [value];
  }
  generic<T extends Order>(value: T): T[] {
    return [value];
  }
  over(a: string): string;
  over(a: number): number;
  over(a: string | number): string | number {
    return a;
  }
  maps(_map: Map<string, () => void>): Set<FileTarget> {
    return new Set();
  }
  nothing(): void {}
  _hidden(): void {}
  private soft(): void {}
  protected softer(): void {
    this.soft();
  }
  override opened(): void {
    this.softer();
  }
  override fetch(): Response {
    return new Response("x");
  }
  override toString(): string {
    return "x";
  }
}

class Narrow extends Desk {
  static readonly remote = ["nothing", "place"] as const;
}

declare const desk: Remote<Desk>;
declare const file: Stub<FileTarget>;

test("Remote has the methods and nothing else", () => {
  type Names = keyof Remote<Desk>;
  expectTypeOf<Names>().toEqualTypeOf<
    | ("place" | "sync" | "watch" | "ask" | "open" | "openAll" | "keep" | "same" | "listen" | "tree" | "anything")
    // A field that holds a function looks like a method to the compiler; calling it fails: method_unknown.
    | ("generic" | "over" | "maps" | "nothing" | "arrow")
  >();
  expectTypeOf<keyof Remote<DeskClient>>().toEqualTypeOf<"confirm" | "optional">();
  expectTypeOf<keyof Remote<typeof Narrow>>().toEqualTypeOf<"nothing" | "place">();
  expectTypeOf<keyof Remote<typeof Desk>>().toEqualTypeOf<Names>();
});

test("Remote adds the promise once, and leaves data as it is named", () => {
  expectTypeOf<Remote<Desk>["place"]>().toEqualTypeOf<(order: Passed<Order>) => RemoteCall<"placed" | "cancelled">>();
  expectTypeOf<Remote<Desk>["sync"]>().toEqualTypeOf<
    (a: Passed<number>, b?: Passed<string | undefined>, ...rest: Passed<Date>[]) => RemoteCall<number>
  >();
  expectTypeOf<Remote<Desk>["nothing"]>().toEqualTypeOf<() => RemoteCall<void>>();
  expectTypeOf<Remote<Desk>["tree"]>().toEqualTypeOf<(tree: Passed<Tree>) => RemoteCall<Tree>>();
  expectTypeOf<Remote<Desk>["anything"]>().returns.toEqualTypeOf<RemoteCall<Any[]>>();
  expectTypeOf<Remote<DeskClient>["optional"]>().toEqualTypeOf<(n: Passed<number>) => RemoteCall<void>>();
  expectTypeOf<RemoteCall<number>>().toExtend<Promise<number>>();
  expectTypeOf<Awaited<RemoteCall<number>>>().toEqualTypeOf<number>();
});

test("functions as arguments may be async, or not", () => {
  expectTypeOf<Sent<(price: number) => void>>().parameters.toEqualTypeOf<[price: number]>();
  const calls = () => {
    desk.watch("ACME", (price) => price.toFixed());
    desk.watch("ACME", async (price: number) => {
      price.toFixed();
    });
    desk.ask(() => true);
    desk.ask(async (q) => q === "x");
    desk.listen({ done: () => {} });
    desk.listen({ done() {}, price: (n) => n.toFixed() });
    // @ts-expect-error: the callback takes a number
    desk.watch("ACME", (price: string) => price);
    // @ts-expect-error: the callback answers with a boolean
    desk.ask(() => "yes");
    // @ts-expect-error: no such argument
    desk.watch("ACME");
  };
  expectTypeOf(calls).toBeFunction();
});

test("functions and targets in results are stubs", () => {
  expectTypeOf<Remote<Desk>["open"]>().toEqualTypeOf<(name: Passed<string>) => RemoteCall<Stub<FileTarget>>>();
  expectTypeOf<Awaited<ReturnType<Remote<Desk>["openAll"]>>>().toEqualTypeOf<{
    readonly files: Stub<FileTarget>[];
    readonly total: number;
  }>();
  expectTypeOf<Awaited<ReturnType<Remote<Desk>["listen"]>>>().toEqualTypeOf<Stub<() => void>>();
  expectTypeOf<Awaited<ReturnType<Remote<Desk>["maps"]>>>().toEqualTypeOf<Set<Stub<FileTarget>>>();
  expectTypeOf<Stub<FileTarget>["read"]>().toEqualTypeOf<(count: Passed<number>) => RemoteCall<Uint8Array>>();
  const uses = async () => {
    using opened = await desk.open("x");
    const octets: Uint8Array = await opened.read(1);
    await using stop = await desk.listen({ done() {} });
    await stop();
    // @ts-expect-error: fields do not cross
    opened.name;
    return octets;
  };
  expectTypeOf(uses).toBeFunction();
});

test("targets and stubs as arguments: one's own, or one coming home", () => {
  const calls = () => {
    desk.keep(new FileTarget(), (n) => `${n}`);
    desk.keep(new FileTarget(), async (n) => `${n}`);
    desk.same(new FileTarget());
    desk.same(file);
    // @ts-expect-error: a target of another kind
    desk.same(new (class extends Target {})());
    // @ts-expect-error: the function must answer with text
    desk.keep(new FileTarget(), (n) => n);
  };
  expectTypeOf(calls).toBeFunction();
  expectTypeOf<Received<Stub<FileTarget>>>().toEqualTypeOf<FileTarget>();
});

test("a result is called and passed on before it is there", () => {
  expectTypeOf<Pipelined<Stub<FileTarget>>["read"]>().toEqualTypeOf<Stub<FileTarget>["read"]>();
  expectTypeOf<RemoteCall<Stub<FileTarget>>["result"]>().toEqualTypeOf<Pipelined<Stub<FileTarget>>>();
  const calls = async () => {
    const octets: Uint8Array = await desk.open("x").result.read(1);
    const stopped: unknown = await desk.listen({ done() {} }).result();
    desk.same(desk.open("x"));
    desk.same(desk.open("x").result);
    desk.tree(desk.tree({ children: [] }));
    desk.ask(async (q) => q === "x");
    // @ts-expect-error: data has no methods
    desk.sync(1).result.toFixed();
    // @ts-expect-error: a number, and not what the method takes
    desk.tree(desk.sync(1));
    // @ts-expect-error: likewise by its result
    desk.same(desk.sync(1).result);
    // @ts-expect-error: a field of the target
    desk.open("x").result.name;
    // @ts-expect-error: one method name per call
    desk.open("x").result.read.call.read(1);
    // @ts-expect-error: a promise of this side is to be awaited
    desk.same(Promise.resolve(new FileTarget()));
    return [octets, stopped];
  };
  expectTypeOf(calls).toBeFunction();
});

test("generics become what they extend, and of overloads the last counts", () => {
  expectTypeOf<Remote<Desk>["generic"]>().toEqualTypeOf<(value: Passed<Order>) => RemoteCall<Order[]>>();
  expectTypeOf<Remote<Desk>["over"]>().toEqualTypeOf<(a: Passed<number>) => RemoteCall<number>>();
});

test("what must not compile", () => {
  const calls = () => {
    // @ts-expect-error: private
    desk.soft();
    // @ts-expect-error: protected
    desk.softer();
    // @ts-expect-error: begins with _
    desk._hidden();
    // @ts-expect-error: part of the life cycle
    desk.opened();
    // @ts-expect-error: plain HTTP, not a call
    desk.fetch(new Request("x"));
    // @ts-expect-error: the far side's view of us
    desk.client;
    // @ts-expect-error: a field
    desk.fieldOfData;
    // @ts-expect-error: a class's own
    desk.helper;
    // @ts-expect-error: wrong argument
    desk.place({ symbol: 1, total: 1 });
    // @ts-expect-error: a root is not released
    desk[Symbol.dispose]();
    // @ts-expect-error: stubs have no properties to set
    desk.place = () => {};
  };
  expectTypeOf(calls).toBeFunction();

  class Wrong extends Service {
    // @ts-expect-error: a service is no promise
    // biome-ignore lint/suspicious/noThenProperty: that is the test.
    then(): void {}
    // @ts-expect-error: reserved
    dispose(): void {}
    // @ts-expect-error: reserved
    toJSON(): string {
      return "";
    }
    // @ts-expect-error: reserved
    client(): void {}
    // @ts-expect-error: reserved
    session(): void {}
    // @ts-expect-error: it answers requests
    override fetch(): number {
      return 1;
    }
  }
  class WrongTarget extends Target {
    // @ts-expect-error: a target is no promise
    // biome-ignore lint/suspicious/noThenProperty: that is the test.
    then(): void {}
  }
  expectTypeOf<Wrong>().toExtend<object>();
  expectTypeOf<WrongTarget>().toExtend<object>();
});

test("ClientOf is the same of a service and of its class", () => {
  expectTypeOf<ClientOf<typeof Desk>>().toEqualTypeOf<ClientOf<Desk>>();
  expectTypeOf<Parameters<ClientOf<typeof Desk>["confirm"]>>().toEqualTypeOf<[question: string]>();
});

test("Service.client has the type of what the client exposes", () => {
  expectTypeOf<Desk["client"]>().toEqualTypeOf<Remote<DeskClient>>();
  expectTypeOf<Desk["client"]["confirm"]>().toEqualTypeOf<(question: Passed<string>) => RemoteCall<boolean>>();
});

test("a group's arguments are data, and no calls whose result one session will have", () => {
  const check = (group: GroupClient<DeskClient>, desk: Remote<DeskClient>, text: Remote<{ text(): string }>) => {
    desk.confirm(text.text());
    // @ts-expect-error: written once for all members, and only one of them knows that call.
    group.confirm(text.text());
    return group.confirm("ready?");
  };
  expectTypeOf(check).parameter(0).toHaveProperty("confirm");
});
