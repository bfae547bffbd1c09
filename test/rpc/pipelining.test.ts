/** Results that are called and passed on before they are there (D17; spec/rpc.md, section 4.4). */
import fc from "fast-check";
import { expect, test } from "vitest";
import { DuowireError } from "../../src/base/errors.js";
import { RemoteError } from "../../src/rpc/remote-error.js";
import { Target } from "../../src/rpc/service.js";
import { release } from "../../src/rpc/stub.js";
import type { Remote, Stub } from "../../src/rpc/types.js";
import { hex, limits, octets, Pair, turn } from "./support.js";

class File extends Target {
  constructor(
    readonly desk: Desk,
    readonly name: string,
  ) {
    super();
  }
  read(): string {
    this.desk.log.push(`read ${this.name}`);
    return `text of ${this.name}`;
  }
  async parent(): Promise<File> {
    await turn();
    return new File(this.desk, `${this.name}/..`);
  }
  reader(): () => string {
    return () => this.read();
  }
}

class Desk extends Target {
  log: string[] = [];
  goOn: (() => void)[] = [];
  open(name: string): File {
    this.log.push(`open ${name}`);
    return new File(this, name);
  }
  async later(name: string): Promise<File> {
    this.log.push(`later ${name}`);
    await new Promise<void>((resolve) => this.goOn.push(resolve));
    return new File(this, name);
  }
  copy(...files: unknown[]): string {
    const name = (one: unknown): string =>
      one instanceof File
        ? one.name
        : one instanceof Map || one instanceof Set
          ? [...one.values()].map(name).join("|")
          : typeof one === "object" && one !== null
            ? Object.values(one).map(name).join("&")
            : String(one);
    this.log.push(`copy ${files.map(name).join(",")}`);
    return files.map(name).join(",");
  }
  same(a: unknown, b: unknown): boolean {
    return a === b;
  }
  state = { list: [1, 2] };
  /** Changes the state, and returns what it was given. */
  change(value: unknown): unknown {
    this.state.list.push(this.state.list.length + 1);
    return value;
  }
  show(value: unknown): unknown {
    return value;
  }
  fickle() {
    let reads = 0;
    const once = () => {
      if (++reads > 1) throw new Error("once");
      return reads;
    };
    return Object.defineProperty({ knock: () => "" }, "once", { get: once, enumerable: true });
  }
  door() {
    return Object.assign(this.state, { knock: () => "come in" });
  }
  list(): { list: number[] } {
    return this.state;
  }
  spoil(what: { list: number[] }): void {
    what.list.push(3);
  }
  fail(): File {
    throw new RangeError("no such file");
  }
  async failLater(): Promise<File> {
    await turn();
    throw new RangeError("no such file");
  }
  text(length: number): string {
    return "x".repeat(length);
  }
  quick(n: number): number {
    return n;
  }
  give(stub: (n: number) => Promise<number>): unknown {
    return stub;
  }
}

function setUp(callsInFlightMax = limits.callsInFlightMax) {
  const desk = new Desk();
  const pair = new Pair<unknown, Desk>(undefined, desk, {}, { limits: { ...limits, callsInFlightMax } });
  return { desk, pair, remote: pair.remoteB };
}

test("a chain of five calls costs one round trip", async () => {
  const { pair, remote } = setUp();
  const chain = remote.open("a").result.parent().result.parent().result.reader().result();
  const held = remote.open("b").result.parent().result.read();
  pair.travel(pair.a, pair.b);
  for (let n = 0; n < 5; n++) await turn();
  expect(pair.a.sink.messages).toEqual([]);
  pair.travel(pair.b, pair.a);
  expect(await chain).toBe("text of a/../..");
  expect(await held).toBe("text of b/..");
});

test("results are passed on: as themselves, by .result, and inside of other values", async () => {
  const { pair, remote, desk } = setUp();
  const file = remote.open("a");
  const copies = [
    remote.copy(file, remote.later("b").result),
    remote.copy({ x: file, y: [file] }, new Map([[1, file]]), new Set([file, remote.quick(5)])),
    remote.copy(remote.copy("c"), remote.quick(7)),
  ];
  pair.travel(pair.a, pair.b);
  expect(desk.log).toEqual(["open a", "later b", "copy a&a,a,a|5", "copy c", "copy c,7"]);
  desk.goOn[0]?.();
  expect(await pair.answer(Promise.all(copies))).toEqual(["a,b", "a&a,a,a|5", "c,7"]);
  const twice = remote.quick(1);
  const object = remote.list();
  expect(await pair.answer(Promise.all([remote.same(file, file), remote.same(object, object)]))).toEqual([true, true]);
  expect(await pair.answer(remote.same(twice, 1))).toBe(true);
});

test("calls that wait for a result hold up no others, and start in their order", async () => {
  const { pair, remote, desk } = setUp();
  const file = remote.later("a").result;
  const calls = [remote.copy(file, 1), file.read(), remote.quick(1), remote.copy("x"), remote.copy(file, 2)];
  pair.travel(pair.a, pair.b);
  expect(desk.log).toEqual(["later a", "copy x"]);
  expect(pair.b.peer.figures.runningCount).toBe(4);
  desk.goOn[0]?.();
  await pair.answer(Promise.all(calls));
  expect(desk.log).toEqual(["later a", "copy x", "copy a,1", "read a", "copy a,2"]);
});

test("a result is what the method returned: what another method does with it changes neither", async () => {
  const { pair, remote, desk } = setUp();
  remote.spoil(remote.list());
  expect(await pair.answer(remote.list())).toEqual({ list: [1, 2] });
  expect(desk.state.list).toEqual([1, 2]);
  // It is what was answered, also when the service's object is another one by then.
  const before = remote.list();
  const [after, nested] = [remote.change(before), remote.show([before])];
  expect(await pair.answer(Promise.all([before, after, nested]))).toEqual([
    { list: [1, 2] },
    { list: [1, 2] },
    [{ list: [1, 2] }],
  ]);
  const door = remote.door();
  remote.change(undefined);
  const shown = (await pair.answer(remote.show(door))) as { knock: () => Promise<string>; list: number[] };
  expect(shown.list).toEqual([1, 2, 3]);
  expect(await pair.answer(shown.knock())).toBe("come in");
  // With a reference, it is read a second time, and that may fail.
  const fickle = remote.fickle();
  expect(await pair.failure(remote.show(fickle))).toMatchObject({ code: "invalid_argument" });
  expect(await pair.answer(fickle)).toMatchObject({ once: 1 });
});

test("a result that is there is called and passed as any stub or value", async () => {
  const { pair, remote } = setUp();
  const file = remote.open("a");
  const words = remote.text(5_000);
  await pair.answer(Promise.all([file, words]));
  expect(await pair.answer(file.result.read())).toBe("text of a");
  expect(await pair.answer(remote.copy(file, { file }, words))).toBe(`a,a,${"x".repeat(5_000)}`);
  release((await file) as object);
  expect(await pair.failure(file.result.read())).toMatchObject({ code: "reference_released", outcome: "not_sent" });
});

test.each(["fail", "failLater"] as const)("what needs the result of %s fails with the same error", async (method) => {
  const { pair, remote, desk } = setUp();
  const first = remote[method]();
  const calls = [first.result.read(), first.result.parent().result.read(), remote.copy({ first }, 1)];
  const after = remote.quick(3);
  expect(await pair.answer(after)).toBe(3);
  const error = await first.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(RemoteError);
  for (const call of calls) expect(await pair.failure(call)).toBe(error);
  expect(await pair.failure(first.result.read())).toBe(error);
  expect(await pair.failure(remote.copy(first))).toBe(error);
  expect(await pair.failure(remote.copy({ first }))).toMatchObject({ code: "invalid_argument", cause: error });
  expect(desk.log).toEqual([]);
  expect(pair.a.peer.figures).toMatchObject({ openCount: 0, waitingCount: 0 });
});

test("a failure that is seen through a dependent call is no event of its own", async () => {
  const { pair, remote } = setUp();
  await pair.failure(remote.fail().result.read());
  expect(pair.a.told.callFailed).toEqual([]);
  remote.fail().result.read();
  await pair.settle();
  expect(pair.a.told.callFailed.map(({ method }) => method)).toEqual(["read"]);
});

test("a cancelled call takes those with it that need its result; none of them runs", async () => {
  const { pair, remote, desk } = setUp();
  const first = remote.later("a");
  const chain = first.result.parent().result.read();
  pair.travel(pair.a, pair.b);
  first[Symbol.dispose]();
  expect(await pair.failure(chain)).toMatchObject({ code: "cancelled", outcome: "outcome_unknown" });
  await pair.settle();
  // Those that waited are answered at once, while the first still runs.
  expect(pair.a.peer.figures.openCount).toBe(1);
  desk.goOn[0]?.();
  await pair.settle();
  expect(pair.a.peer.figures).toMatchObject({ openCount: 0, lateAnswers: 3 });
  expect(desk.log).toEqual(["later a"]);
  expect(await pair.failure(first.result.read())).toMatchObject({ code: "cancelled" });
});

test("a call that waits for a result is cancelled alone, and so it is by its deadline", async () => {
  const { pair, remote, desk } = setUp();
  const first = remote.later("a");
  const read = first.result.read();
  const late = (pair.a.peer.remoteWith({ timeoutMs: 50 }) as Remote<Desk>).copy(first);
  pair.travel(pair.a, pair.b);
  read[Symbol.dispose]();
  expect(await pair.failure(read)).toMatchObject({ code: "cancelled" });
  pair.clock.advance(50);
  expect(await pair.failure(late)).toMatchObject({ code: "deadline_exceeded" });
  expect(pair.b.peer.figures.runningCount).toBe(1);
  desk.goOn[0]?.();
  await pair.answer(first);
  expect(desk.log).toEqual(["later a"]);
  expect(pair.clock.timerCount).toBe(0);
});

test("CANCEL twice of a call that waits is answered once", async () => {
  const { pair, remote, desk } = setUp();
  const first = remote.later("a");
  const read = first.result.read();
  pair.travel(pair.a, pair.b);
  pair.b.peer.receive(octets("9204 02 9204 02"), 0);
  expect(pair.b.sink.messages.length).toBe(1);
  desk.goOn[0]?.();
  expect(await pair.failure(read)).toMatchObject({ code: "cancelled", outcome: "answered" });
  await pair.answer(first);
});

test("options of session.with hold for the calls of a result, too", async () => {
  const { pair } = setUp();
  const remote = pair.a.peer.remoteWith({ timeoutMs: 50 }) as Remote<Desk>;
  const read = remote.later("a").result.read();
  pair.clock.advance(50);
  expect(await pair.failure(read)).toMatchObject({ code: "deadline_exceeded" });
});

test("data has no methods, and data above 1,024 octets is not passed on unseen", async () => {
  const { pair, remote } = setUp();
  const number = remote.quick(1) as unknown as { result: { read(): Promise<void> } & (() => Promise<void>) };
  for (const call of [number.result.read(), number.result()])
    expect(await pair.failure(call)).toMatchObject({ code: "invalid_argument", outcome: "answered" });
  const error = await pair.failure(remote.copy(remote.text(1_100)));
  expect(error).toMatchObject({ code: "invalid_argument" });
  expect(error.message).toMatch(/await it/);
  const unknown = remote.open("a").result as unknown as Record<string, () => Promise<void>>;
  for (const name of ["nothing", "name", "desk"])
    expect(await pair.failure(unknown[name]?.() as Promise<void>)).toMatchObject({ code: "method_unknown" });
  for (const name of ["then", "constructor", "_x", "toJSON"]) expect(unknown[name]).toBe(undefined);
});

test("data is named by the next 64 calls, a Target by the next 1,024; who comes later is told", async () => {
  const { pair, remote } = setUp(4_000);
  const data = remote.quick(5);
  const file = remote.open("a");
  const between = (count: number) => {
    for (let n = 0; n < count; n++) remote.quick(n);
  };
  between(62);
  const near = remote.copy(data);
  const far = remote.copy(data);
  between(959);
  const last = file.result.read();
  const tooFar = file.result.read();
  expect(await pair.answer(near)).toBe("5");
  expect(await pair.failure(far)).toMatchObject({ code: "invalid_argument", outcome: "answered" });
  expect(await pair.answer(last)).toBe("text of a");
  expect(await pair.failure(tooFar)).toMatchObject({ code: "invalid_argument", outcome: "not_sent" });
  expect(await pair.answer(remote.quick(9))).toBe(9);
});

test("calls that wait for the window are named all the same", async () => {
  const { pair, remote, desk } = setUp(1);
  const file = remote.open("a");
  const calls = [
    remote.copy(remote.open("b"), { nested: [remote.open("c"), new Map([[file, new Set([file])]])] }),
    file.result.parent().result.read(),
  ];
  const [dropped, lost] = [remote.open("dropped")].flatMap((call) => [call, call.result.read()]);
  expect(pair.a.peer.figures.waitingCount).toBe(7);
  dropped?.[Symbol.dispose]();
  expect(await pair.failure(lost as Promise<unknown>)).toMatchObject({ code: "cancelled", outcome: "not_sent" });
  expect(await pair.answer(Promise.all(calls))).toEqual(
    ["b,c&a|", "text of a/.."].map((one) => one.replace("a|", "a")),
  );
  expect(desk.log).not.toContain("open dropped");
  expect(pair.a.peer.figures).toMatchObject({ openCount: 0, waitingCount: 0 });
});

test("a stub is not released before the calls that named its call are answered", async () => {
  const { pair, remote, desk } = setUp();
  const file = remote.open("a");
  const both = remote.copy(file, remote.later("b"));
  pair.travel(pair.a, pair.b);
  pair.travel(pair.b, pair.a);
  release((await file) as object);
  expect(pair.a.peer.urgent(1_000)).toBe(undefined);
  desk.goOn[0]?.();
  expect(await pair.answer(both)).toBe("a,b");
  await pair.settle();
  expect(pair.b.peer.figures.lentCount).toBe(1);
});

test("a result that is the caller's own function comes home through the far side", async () => {
  const { pair, remote } = setUp();
  const call = remote.give(async (n: number) => n + 1) as unknown as { result: (n: number) => Promise<number> };
  expect(await pair.answer(call.result(1))).toBe(2);
});

test("a call of another session, or in an answer, is not passed", async () => {
  const { pair, remote } = setUp();
  const { remote: other } = setUp();
  const error = await pair.failure(remote.copy(other.open("a")));
  expect(error).toMatchObject({ code: "invalid_argument", outcome: "not_sent" });
  const asking = new Pair<Desk, unknown>(new Desk(), {
    ask: () => ({ file: (asking.remoteA as unknown as Remote<Desk>).open("a") }),
  });
  const asked = asking.a.remote<{ ask(): unknown }>().ask();
  expect(await asking.failure(asked as unknown as Promise<unknown>)).toMatchObject({ code: "invalid_argument" });
});

test("the end settles what waits for results, at both sides", async () => {
  const { pair, remote, desk } = setUp();
  const calls = [remote.later("a"), remote.later("b")].map((one) => one.result.parent().result.read());
  await pair.settle();
  const reason = new DuowireError("lease_expired");
  pair.b.peer.end(reason);
  pair.a.peer.end(reason);
  for (const call of calls) expect(await pair.failure(call)).toMatchObject({ code: "outcome_unknown" });
  for (const goOn of desk.goOn) goOn();
  await turn();
  expect(pair.b.sink.messages).toEqual([]);
  expect(pair.b.told.bugs).toEqual([]);
});

test("a full queue holds up those that became ready, and they go before calls that come later", async () => {
  const { pair, remote, desk } = setUp();
  const read = remote.later("a").result.read();
  pair.travel(pair.a, pair.b);
  pair.b.sink.queueBytesMax = 0;
  desk.goOn[0]?.();
  const last = remote.copy("last");
  pair.travel(pair.a, pair.b);
  await turn();
  expect(desk.log).toEqual(["later a"]);
  pair.b.sink.queueBytesMax = 1_000;
  await pair.answer(Promise.all([read, last]));
  expect(desk.log).toEqual(["later a", "read a", "copy last"]);
});

test("10,000 pipelined calls leave nothing behind", async () => {
  const { pair, remote } = setUp();
  for (let n = 0; n < 20; n++) {
    const reads = Array.from({ length: 500 }, (_, index) => {
      const file = remote.open(`${index}`);
      void file.then((stub) => release(stub as Stub<File>));
      return file.result.read();
    });
    await pair.answer(Promise.all(reads));
  }
  await pair.settle();
  const nothing = { openCount: 0, waitingCount: 0, lentCount: 0, heldCount: 0, runningCount: 0 };
  expect(pair.a.peer.figures).toMatchObject(nothing);
  expect(pair.b.peer.figures).toMatchObject(nothing);
  const { results } = (pair.b.peer as unknown as { incoming: { results: Kept } }).incoming;
  expect(results.lent?.size ?? 0).toBeLessThanOrEqual(1_025);
  expect(results.values.length).toBeLessThanOrEqual(64);
  expect(results.waiters?.size ?? 0).toBe(0);
});

interface Kept {
  lent?: Map<number, number>;
  values: unknown[];
  waiters?: Map<number, unknown>;
}

test("calls of results made, cancelled and made again leave no waiters behind", async () => {
  const { pair, remote, desk } = setUp(8);
  const first = remote.later("a");
  for (let n = 0; n < 200; n++) {
    const read = first.result.read();
    pair.travel(pair.a, pair.b);
    read[Symbol.dispose]();
    await pair.settle();
  }
  const { results } = (pair.b.peer as unknown as { incoming: { results: Kept } }).incoming;
  expect(results.waiters?.size ?? 0).toBe(0);
  desk.goOn[0]?.();
  await pair.answer(first);
});

test("one call names 64 results at most", async () => {
  const { pair, remote } = setUp();
  const calls = (count: number) => Array.from({ length: count }, (_, n) => remote.quick(n));
  expect(await pair.answer(remote.copy(...calls(64)))).toMatch(/^0,1,.*,63$/);
  expect(await pair.failure(remote.copy(...calls(65)))).toMatchObject({ code: "invalid_argument" });
});

test("numbers of every length are written as targets and read back", async () => {
  for (const skipped of [0x1f, 0x7f, 0x7fff, 0x7fff_ffff, 0xffff_ffff, 2 ** 53 - 10]) {
    const { pair, remote, desk } = setUp();
    const outgoing = (pair.a.peer as unknown as { outgoing: { lastNumber: number } }).outgoing;
    const incoming = (pair.b.peer as unknown as { incoming: { next: number; highest: number } }).incoming;
    outgoing.lastNumber = skipped - 1;
    incoming.next = skipped;
    incoming.highest = skipped - 1;
    const calls = [0, 1, 2].map(() => remote.copy(remote.open("a").result.parent()));
    expect(await pair.answer(Promise.all(calls))).toEqual(["a/..", "a/..", "a/.."]);
    expect(desk.log.length).toBe(6);
  }
});

test("any tree of calls, late answers and cancels: each call runs at most once, after what it needs", async () => {
  const step = fc.record({
    kind: fc.constantFrom("later", "open", "parent", "copy", "fail"),
    on: fc.nat(30),
    and: fc.nat(30),
    cancel: fc.nat(9),
    travels: fc.nat(3),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 30 }), fc.nat(12), async (steps, window) => {
      const { pair, remote, desk } = setUp(window + 1);
      const calls: ReturnType<typeof remote.open>[] = [];
      const settled: string[] = [];
      for (const [index, { kind, on, and, cancel, travels }] of steps.entries()) {
        const other = calls[on % Math.max(1, calls.length)] ?? remote.open("first");
        const another = calls[and % Math.max(1, calls.length)] ?? other;
        const make = {
          later: () => remote.later(`${index}`),
          open: () => remote.open(`${index}`),
          parent: () => other.result.parent(),
          copy: () => remote.copy(other, [another]),
          fail: () => remote.fail(),
        };
        const call = make[kind]() as (typeof calls)[0];
        call.then(
          () => settled.push("done"),
          () => settled.push("failed"),
        );
        calls.push(call);
        if (travels === 0) pair.travel(pair.a, pair.b);
        if (travels === 1) pair.travel(pair.b, pair.a);
        if (cancel === 0) another[Symbol.dispose]();
      }
      for (let n = 0; n < 70 && (n < 3 || pair.a.peer.isBusy || settled.length < calls.length); n++) {
        for (const goOn of desk.goOn.splice(0)) goOn();
        await pair.settle();
      }
      expect(settled.length).toBe(calls.length);
      expect(pair.a.peer.figures).toMatchObject({ openCount: 0, waitingCount: 0 });
      expect(pair.b.peer.figures.runningCount).toBe(0);
      expect([...pair.a.told.bugs, ...pair.b.told.bugs]).toEqual([]);
      expect(new Set(desk.log.filter((one) => one.startsWith("open"))).size).toBe(
        desk.log.filter((one) => one.startsWith("open") && one !== "open first").length +
          (desk.log.includes("open first") ? 1 : 0),
      );
    }),
    { numRuns: 500, seed: 11 },
  );
});

const echo = "a4 6563686f";

test.each([
  ["its own result as target", `95 01 01 ff ${echo} 90`],
  ["the result of a later call as target", `95 01 01 fe ${echo} 90`],
  ["its own result as argument", `95 01 01 00 ${echo} 91 d4 14 01`],
  ["the result of call 0", `95 01 01 00 ${echo} 91 d4 14 00`],
])("violation: a call that names %s", (_name, message) => {
  const pair = new Pair(undefined, { echo: (value: unknown) => value });
  expect(() => pair.b.peer.receive(octets(message), 0)).toThrow(/before/);
});

test("a result in an answer or in options is refused there", async () => {
  const pair = new Pair<unknown, { echo(value?: unknown): unknown }>(undefined, { echo: (value: unknown) => value });
  const call = pair.remoteB.echo(1);
  pair.a.peer.receive(octets("93 02 01 d4 14 01"), 0);
  await expect(call).rejects.toMatchObject({ code: "invalid_argument", outcome: "answered" });
  pair.b.peer.receive(octets(`96 01 01 00 ${echo} 90 81 a178 d4 14 01`), 0);
  expect(hex(pair.b.sink.hand())).toContain(Buffer.from("invalid_argument").toString("hex"));
});
