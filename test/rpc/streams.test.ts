import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { DuowireError } from "../../src/base/errors.js";
import { STREAM_IDLE_MS } from "../../src/rpc/idle-streams.js";
import { STREAM_WINDOW_BYTES, STREAM_WINDOW_BYTES_MAX } from "../../src/rpc/incoming-stream.js";
import { RemoteError } from "../../src/rpc/remote-error.js";
import { Target } from "../../src/rpc/service.js";
import { STREAM_QUEUE_BYTES } from "../../src/rpc/stream-turns.js";
import { Pair, turn } from "./support.js";

class Door extends Target {
  knock(): string {
    return "come in";
  }
}

/** What the far side of most tests has; `log` tells what its producers and sinks met. */
class Root {
  readonly log: unknown[] = [];

  root() {
    const { log } = this;
    return {
      async *count(to: number) {
        log.push("started");
        try {
          for (let n = 1; n <= to; n++) yield n;
        } finally {
          log.push("finally");
        }
      },
      *list(to: number) {
        for (let n = 1; n <= to; n++) yield n;
      },
      readable: (to: number) => readableOf(to, log),
      octets: (size: number) => new Blob([new Uint8Array(size).fill(7)]).stream(),
      async *failing() {
        yield 1;
        throw Object.assign(new RangeError("no more"), { code: "E_DRY", data: { left: 0 } });
      },
      async *unsendable() {
        yield 1;
        yield Symbol("no");
      },
      async *doors() {
        yield { door: new Door(), inner: readableOf(2, log) };
      },
      async *big(size: number, count: number) {
        for (let n = 0; n < count; n++) yield new Uint8Array(size).fill(n);
      },
      echo: (value: unknown) => value,
      async sum(items: AsyncIterable<number>) {
        let sum = 0;
        for await (const item of items) sum += item;
        return sum;
      },
      async first(items: AsyncIterable<number>) {
        for await (const item of items) return item;
        return undefined;
      },
      async write(into: WritableStream<unknown>, items: unknown[]) {
        const writer = into.getWriter();
        for (const item of items) await writer.write(item);
        await writer.close();
        return "closed";
      },
      async fill(into: WritableStream<unknown>) {
        const writer = into.getWriter();
        for (;;) {
          await writer.write(new Uint8Array(1_000));
          await turn();
        }
      },
      async abort(into: WritableStream<unknown>) {
        const writer = into.getWriter();
        await writer.write(1);
        await writer.abort(new TypeError("changed my mind"));
      },
      sink: () =>
        new WritableStream({
          write: (item) => void log.push(item),
          close: () => void log.push("closed"),
          abort: (reason) => void log.push(`aborted: ${(reason as Error).message}`),
        }),
      fails: () => Promise.reject(new Error("after the stream came")),
    };
  }
}

type Far = ReturnType<Root["root"]>;

function readableOf(to: number, log: unknown[] = []): ReadableStream<number> {
  let n = 0;
  return new ReadableStream(
    {
      pull: (controller) => (n++ < to ? controller.enqueue(n) : controller.close()),
      cancel: (reason) => void log.push(`cancelled: ${reason instanceof Error ? reason.message : String(reason)}`),
    },
    { highWaterMark: 0 },
  );
}

function setUp(options: ConstructorParameters<typeof Pair>[2] = {}) {
  const { log, root } = bound(new Root());
  const pair = new Pair<unknown, Far>(undefined, root, options, options);
  return { pair, log, remote: pair.remoteB as unknown as Untyped };
}

/** The methods as these tests call them: what crosses is what they are about. */
type Untyped = Record<keyof Far, (...args: unknown[]) => PromiseLike<unknown> & AsyncIterable<unknown>>;

function bound(of: Root) {
  return { log: of.log, root: of.root() };
}

async function collect(items: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function* numbers(...values: number[]) {
  yield* values;
}

/** Both sides have forgotten every stream and reference. */
function expectNothingLeft(pair: Pair<unknown, Far>): void {
  for (const { peer, told } of [pair.a, pair.b]) {
    expect(peer.figures).toMatchObject({ sendingCount: 0, receivingCount: 0, lentCount: 0, heldCount: 0 });
    expect(told.bugs).toEqual([]);
  }
}

test("the items of a generator arrive in order, through many windows", async () => {
  const { pair, remote } = setUp();
  const to = 3 * (STREAM_WINDOW_BYTES / 64);
  expect(await pair.answer(collect(remote.count(to)))).toEqual(Array.from({ length: to }, (_, n) => n + 1));
  expectNothingLeft(pair);
});

test.each([
  ["an async generator", (remote: Untyped) => remote.count(3), [1, 2, 3]],
  ["a generator", (remote: Untyped) => remote.list(3), [1, 2, 3]],
  ["a ReadableStream", (remote: Untyped) => remote.readable(3), [1, 2, 3]],
] as const)("a result is iterated without awaiting it first: %s", async (_name, call, expected) => {
  const { pair, remote } = setUp();
  expect(await pair.answer(collect(call(remote)))).toEqual(expected);
  expectNothingLeft(pair);
});

test("each kind arrives as what it was, also inside of other values", async () => {
  const { pair, remote } = setUp();
  const octets = new Blob(["octets"]).stream();
  const sent = { readable: readableOf(1), octets, items: numbers(1), deep: [new Map([["w", new WritableStream()]])] };
  const value = (await pair.answer(remote.echo(sent))) as typeof sent;
  expect(value.readable).toBeInstanceOf(ReadableStream);
  expect(value.octets.getReader({ mode: "byob" })).toBeDefined();
  expect(value.items[Symbol.asyncIterator]()).toBe(value.items);
  expect(value.deep[0]?.get("w")).toBeInstanceOf(WritableStream);
});

test("octets stay octets, and a stream of them can be read into a reader's own buffer", async () => {
  const { pair, remote } = setUp();
  const stream = (await pair.answer(remote.octets(100_000))) as ReadableStream<Uint8Array>;
  const reader = stream.getReader({ mode: "byob" });
  let bytes = 0;
  for (;;) {
    const { done, value } = await pair.answer(reader.read(new Uint8Array(30_000)));
    if (done) break;
    expect(value.every((octet) => octet === 7)).toBe(true);
    bytes += value.length;
  }
  expect(bytes).toBe(100_000);
  expectNothingLeft(pair);
});

test("arguments are streams, too: generators, readable and plain objects that can be iterated", async () => {
  const { pair, remote } = setUp();
  expect(await pair.answer(remote.sum(numbers(1, 2, 3)))).toBe(6);
  expect(await pair.answer(remote.sum(readableOf(4)))).toBe(10);
  expect(await pair.answer(remote.sum({ [Symbol.asyncIterator]: () => numbers(5, 5) }))).toBe(10);
  expectNothingLeft(pair);
});

test("a WritableStream is written by the far side, with its close and its abort", async () => {
  const { pair, remote } = setUp();
  const got: unknown[] = [];
  const sink = () =>
    new WritableStream({
      write: (item) => void got.push(item),
      close: () => void got.push("closed"),
      abort: (error) => void got.push(error),
    });
  expect(await pair.answer(remote.write(sink(), [1, "two", new Uint8Array(3)]))).toBe("closed");
  expect(got.splice(0)).toEqual([1, "two", new Uint8Array(3), "closed"]);
  await pair.answer(remote.abort(sink()));
  expect(got[0]).toBe(1);
  expect(got[1]).toMatchObject({ name: "TypeError", message: "changed my mind" });
  expectNothingLeft(pair);
});

test("a writable stream that fails at its owner fails at its writer, with the error", async () => {
  const { pair, remote } = setUp();
  const full = new WritableStream({
    write: (item) => {
      if (item === 2) throw new RangeError("the disk is full");
    },
  });
  const error = await pair.failure(remote.write(full, [1, 2, 3, 4]));
  expect(error).toMatchObject({ name: "RangeError", message: "the disk is full" });
  const late = new WritableStream({ close: () => Promise.reject(new Error("close failed")) });
  expect(await pair.failure(remote.write(late, [1]))).toMatchObject({ message: "close failed" });
  expectNothingLeft(pair);
});

test("a writable stream feels the far side's back-pressure", async () => {
  const { pair, remote } = setUp();
  let written = 0;
  const never = new WritableStream({ write: () => new Promise(() => {}) });
  const stuck = (await pair.answer(remote.echo(never))) as WritableStream;
  expect(stuck).toBeInstanceOf(WritableStream);
  const writer = ((await pair.answer(remote.sink())) as WritableStream).getWriter();
  const chunk = new Uint8Array(10_000);
  const flood = (async () => {
    for (; written < 100; written++) await writer.write(chunk);
  })();
  await turn();
  // Nothing travels yet: what is granted without being asked for, and no more.
  expect(written).toBeLessThan(10);
  await pair.answer(flood);
  expect(written).toBe(100);
});

test("an abort waits for nothing that the far side does not take, and never looks like an end", async () => {
  const { pair, log, remote } = setUp();
  const stuck = new WritableStream({ write: () => new Promise(() => {}) });
  const writer = ((await pair.answer(remote.echo(stuck))) as WritableStream).getWriter();
  const writes = (async () => {
    for (;;) await writer.write(new Uint8Array(10_000));
  })();
  await Promise.all([expect(writes).rejects.toThrow("enough"), pair.answer(writer.abort(new Error("enough")))]);

  const other = ((await pair.answer(remote.sink())) as WritableStream).getWriter();
  await pair.answer(other.write("start"));
  // Of a length that travels in fragments: what ends the stream waits until it has left.
  void other.write("x".repeat(100_000));
  await turn();
  void other.abort(new Error("half of it"));
  await pair.settle();
  expect(log.at(-1)).toBe("aborted: half of it");

  const slow = new WritableStream({ close: () => new Promise(() => {}) });
  const closing = ((await pair.answer(remote.echo(slow))) as WritableStream).getWriter();
  const closed = closing.close();
  await pair.settle();
  closing.abort(new Error("no time")).catch(() => {});
  await expect(closed).rejects.toThrow("no time");
});

test("a WritableStream that nobody writes into any more is given back", async () => {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  const { pair, log, remote } = setUp();
  await pair.answer(remote.sink());
  await expect
    .poll(async () => {
      collectGarbage();
      await pair.settle();
      return log;
    })
    .toEqual([expect.stringMatching("aborted")]);
  expectNothingLeft(pair);
});

test("a call that is given up ends the streams that it brought, at both sides", async () => {
  const { pair, remote } = setUp();
  let left = false;
  async function* endless() {
    try {
      for (let n = 0; ; n++) {
        yield n;
        await turn();
      }
    } finally {
      left = true;
    }
  }
  const summing = remote.sum(endless()) as unknown as Disposable & PromiseLike<unknown>;
  for (let n = 0; n < 10; n++) {
    pair.travel(pair.a, pair.b);
    pair.travel(pair.b, pair.a);
    await turn();
  }
  expect(pair.b.peer.figures.runningCount).toBe(1);
  summing[Symbol.dispose]();
  await pair.settle();
  expect(left).toBe(true);
  expect(pair.b.peer.figures.runningCount).toBe(0);

  const aborts: unknown[] = [];
  const sink = new WritableStream({ abort: (reason) => void aborts.push(reason) });
  const filling = remote.fill(sink) as unknown as Disposable & PromiseLike<unknown>;
  for (let n = 0; n < 3; n++) {
    pair.travel(pair.a, pair.b);
    pair.travel(pair.b, pair.a);
    await turn();
  }
  filling[Symbol.dispose]();
  await pair.settle();
  expect(aborts).toMatchObject([{ code: "cancelled" }]);
  expect(pair.b.peer.figures.runningCount).toBe(0);
  expectNothingLeft(pair);
});

test("a result that holds a stream is its caller's alone", async () => {
  const { pair, remote } = setUp();
  const counting = remote.count(3);
  const error = await pair.failure(remote.sum(counting));
  expect(error).toMatchObject({ code: "invalid_argument" });
  expect(error.message).toMatch(/holds a stream.*await it and pass it on/);
  expect(await pair.answer(remote.sum(await counting))).toBe(6);
});

test("a generator does not start before it is asked, and its finally runs when the reader leaves early", async () => {
  const { pair, log, remote } = setUp();
  const items = (await pair.answer(remote.count(1e9))) as AsyncIterable<number>;
  expect(log).toEqual([]);
  const run = async () => {
    for await (const n of items) if (n === 5) break;
  };
  await pair.answer(run());
  expect(log).toEqual(["started", "finally"]);
  expectNothingLeft(pair);
});

test("cancel() reaches the producer with its reason, and a reader that returns early stops a stream of arguments", async () => {
  const { pair, log, remote } = setUp();
  const stream = (await pair.answer(remote.readable(1e9))) as ReadableStream;
  await pair.answer(stream.cancel(new Error("seen enough")));
  await pair.settle();
  expect(log).toEqual(["cancelled: seen enough"]);
  let isOver = false;
  async function* endless() {
    try {
      for (let n = 1; ; n++) yield n;
    } finally {
      isOver = true;
    }
  }
  expect(await pair.answer(remote.first(endless()))).toBe(1);
  await pair.settle();
  expect(isOver).toBe(true);
  expectNothingLeft(pair);
});

test("an error of the producer arrives behind its items, as errors do elsewhere, and is told at home", async () => {
  const { pair, remote } = setUp();
  const items: unknown[] = [];
  const run = async () => {
    for await (const item of remote.failing()) items.push(item);
  };
  const error = await pair.failure(run());
  expect(items).toEqual([1]);
  expect(error).toBeInstanceOf(RemoteError);
  expect(error).toMatchObject({ name: "RangeError", message: "no more", code: "E_DRY", data: { left: 0 } });
  expect(pair.b.told.serviceErrors).toMatchObject([{ method: "failing", error: { message: "no more" } }]);
  expectNothingLeft(pair);
});

test("an item that cannot be sent breaks its stream, and says why", async () => {
  const { pair, remote } = setUp();
  expect(await pair.failure(collect(remote.unsendable()))).toMatchObject({ code: "invalid_argument", side: "remote" });
  expect(pair.b.told.serviceErrors).toMatchObject([{ method: "unsendable" }]);
  expectNothingLeft(pair);
});

test("items lend functions, objects and streams", async () => {
  const { pair, remote } = setUp();
  const [item] = (await pair.answer(collect(remote.doors()))) as [{ door: Door; inner: ReadableStream }];
  expect(await pair.answer(item.door.knock() as unknown as Promise<string>)).toBe("come in");
  expect(await pair.answer(collect(item.inner as unknown as AsyncIterable<unknown>))).toEqual([1, 2]);
});

test("references in items that nobody takes any more are given back", async () => {
  const { pair, remote } = setUp();
  const items = (await pair.answer(remote.doors())) as AsyncGenerator;
  const first = items.next();
  await pair.settle();
  await first;
  expect(pair.b.peer.figures.lentCount).toBe(1);
  const other = (await pair.answer(remote.doors())) as AsyncGenerator;
  const waits = other.next();
  void other.return(undefined);
  expect(await waits).toMatchObject({ done: true });
  await pair.settle();
  expect(pair.b.peer.figures).toMatchObject({ lentCount: 1, sendingCount: 1 });
});

test("whoever reads nothing holds the producer at one window and one item", async () => {
  const { pair, remote } = setUp();
  let made = 0;
  async function* flood() {
    for (;;) {
      made++;
      yield new Uint8Array(10_000);
    }
  }
  const items = (await pair.answer(remote.echo(flood()))) as AsyncIterable<unknown>;
  const iterator = items[Symbol.asyncIterator]();
  await pair.answer(iterator.next());
  await pair.settle();
  // There and back: two windows, and one item more in each.
  expect(made).toBeLessThan((2 * STREAM_WINDOW_BYTES) / 10_000 + 6);
  await iterator.return?.();
  await pair.settle();
  expectNothingLeft(pair);
});

test("a session that ends gives readers what has come and then its reason, and stops producers", async () => {
  const { pair, log, remote } = setUp();
  const items = (await pair.answer(remote.count(10))) as AsyncGenerator<number>;
  const got = [await pair.answer(items.next())];
  const writer = ((await pair.answer(remote.sink())) as WritableStream).getWriter();
  const reason = new DuowireError("lease_expired");
  for (const side of [pair.a, pair.b]) side.peer.end(reason);
  for (let n = 0; n < 9; n++) got.push(await items.next());
  expect(got.map(({ value }) => value)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  await expect(writer.write(1)).rejects.toBe(reason);
  await turn();
  expect(log).toContain("finally");
  expect(log.join()).toContain("aborted: ");
});

test("a session that ends fails whoever waits, with its reason", async () => {
  const { pair, remote } = setUp();
  const never = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) };
  const items = (await pair.answer(remote.echo(never))) as AsyncGenerator<number>;
  const waits = items.next();
  const reason = new DuowireError("lease_expired");
  pair.a.peer.end(reason);
  await expect(waits).rejects.toBe(reason);
});

test("a stream that nobody reads ends after a while and is released at both sides", async () => {
  const { pair, log, remote } = setUp();
  const items = (await pair.answer(remote.count(3))) as AsyncGenerator<number>;
  const stream = (await pair.answer(remote.readable(3))) as ReadableStream;
  pair.clock.advance(STREAM_IDLE_MS);
  await pair.settle();
  expectNothingLeft(pair);
  expect(log).toEqual([expect.stringContaining("nobody began")]);
  await expect(items.next()).rejects.toMatchObject({ code: "stream_broken", side: "remote" });
  await expect(stream.getReader().read()).rejects.toMatchObject({ code: "stream_broken" });
  expect(pair.clock.timerCount).toBe(0);
});

test("a stream in a message that has not left does not end idle", async () => {
  const { pair, remote } = setUp();
  const call = remote.sum(numbers(1, 2));
  pair.clock.advance(STREAM_IDLE_MS);
  expect(await pair.answer(call)).toBe(3);
});

test("what a message that is not sent would have lent is its owner's again", async () => {
  const { pair, remote } = setUp();
  const [readable, writable] = [readableOf(3), new WritableStream()];
  await expect(remote.echo([readable, writable, Symbol("no")])).rejects.toMatchObject({ code: "invalid_argument" });
  expect(readable.locked || writable.locked).toBe(false);
  await expect(remote.echo([readable, readable])).rejects.toMatchObject({ code: "invalid_argument" });
  expect(readable.locked).toBe(false);
  expect(await pair.answer(remote.sum(readable))).toBe(6);
  expectNothingLeft(pair);
});

test("a stream that came with a call that is not started is stopped", async () => {
  const { pair } = setUp();
  const remote = pair.remoteB as unknown as Record<string, (...args: unknown[]) => PromiseLike<unknown>>;
  const log: unknown[] = [];
  const aborted = new WritableStream({ abort: () => void log.push("aborted") });
  const call = remote.nothing?.(readableOf(3, log), aborted) as PromiseLike<unknown>;
  expect(await pair.failure(call)).toMatchObject({ code: "method_unknown" });
  await pair.settle();
  expect(log).toEqual(["cancelled: undefined", "aborted"]);
  expectNothingLeft(pair);
});

test("more streams than the far side takes are refused at home", async () => {
  const { pair, remote } = setUp({
    limits: { callsInFlightMax: 1_024, messageBytesMax: 4_194_304, referencesMax: 100 },
  });
  const streams = (await pair.answer(remote.echo(Array.from({ length: 100 }, () => numbers(1))))) as AsyncGenerator[];
  await expect(remote.echo(numbers(1))).rejects.toMatchObject({ code: "reference_quota" });
  for (const stream of streams) await stream.return(undefined);
  await pair.settle();
  expectNothingLeft(pair);
  expect(await pair.answer(remote.sum(numbers(1)))).toBe(1);
});

test("1,000 streams at once take turns, and calls do not wait behind them", async () => {
  const { pair, remote } = setUp();
  const streams = Array.from({ length: 1_000 }, () => collect(remote.big(1_000, 20)));
  await pair.settle();
  const all = await Promise.all(streams);
  for (const items of all) expect(items.map((item) => (item as Uint8Array)[0])).toEqual([...Array(20).keys()]);
  expectNothingLeft(pair);
});

test("few octets of streams wait in the session's queue, so that a call is not behind more", async () => {
  const { pair, remote } = setUp();
  const floods = Array.from({ length: 50 }, () => remote.big(60_000, 100)[Symbol.asyncIterator]());
  const first = floods.map((flood) => flood.next());
  const RESULT = 2;
  // Everything travels to the far side, and only results come back.
  for (let n = 0; n < 4; n++) {
    pair.travel(pair.a, pair.b);
    await turn();
    while (pair.b.sink.messages[0]?.octets[1] === RESULT) pair.a.peer.receive(pair.b.sink.hand(), 0);
    await turn();
  }
  await turn();
  expect(pair.b.sink.queuedBytes).toBeGreaterThan(STREAM_QUEUE_BYTES / 2);
  expect(pair.b.sink.queuedBytes).toBeLessThan(STREAM_QUEUE_BYTES + 70_000);
  // Each of the first items is of another stream.
  const heads = pair.b.sink.messages.map(({ octets }) => octets[2]);
  expect(new Set(heads).size).toBe(heads.length);
  await pair.settle();
  await Promise.all(first);
});

test("10,000 streams made and released leave nothing", async () => {
  const { pair, remote } = setUp();
  for (let n = 0; n < 100; n++) {
    const streams = (await pair.answer(
      remote.echo(Array.from({ length: 100 }, () => numbers(1, 2))),
    )) as AsyncGenerator[];
    const run = streams.map((stream, at) => (at % 2 ? collect(stream) : stream.return(undefined)));
    await pair.answer(Promise.all(run));
  }
  await pair.settle();
  expectNothingLeft(pair);
  expect(pair.clock.timerCount).toBe(0);
});

test("credit and stop leave although the queue is full, and wait for no window", async () => {
  const { pair, remote } = setUp();
  const items = (await pair.answer(remote.big(10_000, 1_000))) as AsyncGenerator;
  await pair.answer(items.next());
  pair.a.sink.queueBytesMax = 1;
  remote.echo(new Uint8Array(10)).then(undefined, () => {});
  for (let n = 0; n < 20; n++) await items.next();
  const CREDIT = 7;
  const STOP = 11;
  expect(pair.a.peer.urgent(16_384)?.[1]).toBe(CREDIT);
  void items.return(undefined);
  expect(pair.a.peer.urgent(16_384)?.[1]).toBe(STOP);
});

test("the window of a reader that is faster than its way grows, and that of a slow one does not", async () => {
  const { pair, remote } = setUp();
  const fast = (await pair.answer(remote.big(10_000, 300))) as AsyncGenerator;
  const read = collect(fast);
  for (let n = 0; n < 10; n++) {
    pair.travel(pair.a, pair.b);
    await turn();
    pair.travel(pair.b, pair.a);
    await turn();
  }
  expect(windowsOf(pair.a.peer)).toEqual([STREAM_WINDOW_BYTES_MAX]);
  await pair.answer(read);
  const slow = (await pair.answer(remote.big(10_000, 10_000))) as AsyncGenerator;
  void slow.next();
  await pair.settle();
  for (let n = 0; n < 200; n++) {
    await slow.next();
    if (n % 10 === 0) await pair.settle();
  }
  expect(windowsOf(pair.a.peer)).toEqual([STREAM_WINDOW_BYTES]);
});

test("a slow reader's memory holds a window and an item, however long the stream", { timeout: 60_000 }, async () => {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  const inUse = () => {
    // Buffers are freed a while after they were found to be garbage.
    for (let n = 0; n < 3; n++) collectGarbage();
    return process.memoryUsage().arrayBuffers;
  };
  const { pair, remote } = setUp();
  const items = (await pair.answer(remote.big(65_536, 1_000))) as AsyncGenerator;
  void items.next();
  await pair.settle();
  const before = inUse();
  let most = 0;
  // Read so slowly that there is always more to read.
  for (let n = 0; n < 980; n++) {
    await items.next();
    await pair.settle();
    if (n % 100 === 0) most = Math.max(most, inUse() - before);
  }
  expect(most).toBeLessThan(2 * STREAM_WINDOW_BYTES);
  await items.return(undefined);
});

/** The windows of the streams that a peer reads. */
function windowsOf(peer: object): number[] {
  const { outgoing } = peer as { outgoing: { references: { streams: { table: { incoming: Map<number, object> } } } } };
  return [...outgoing.references.streams.table.incoming.values()].map(
    (stream) => (stream as { windowBytes: number }).windowBytes,
  );
}
