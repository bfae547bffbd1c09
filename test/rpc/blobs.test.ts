/** Blobs and Files as values: read before they are sent, in order, and nothing else waits for them. */
import { mkdtempSync, openAsBlob, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, expect, test, vi } from "vitest";
import { deferred } from "../../src/base/deferred.js";
import { DuowireError } from "../../src/base/errors.js";
import { COUNT_MAX } from "../../src/base/messagepack.js";
import { MalformedOctets, OctetReader, OctetWriter } from "../../src/base/octets.js";
import { UnreadOctets } from "../../src/rpc/blobs.js";
import { decodeValue, encodeValue, type ReferenceOwner } from "../../src/rpc/codec.js";
import { encodeCall } from "../../src/rpc/group.js";
import { BLOB_COUNT, EXTENSION_COUNT } from "../../src/rpc/values.js";
import { limits, Pair, turn } from "./support.js";
import { build, describe, fromHex, type Notation, readBlobs } from "./value-notation.js";

type Values = (...values: unknown[]) => unknown;
type Root = { echo: Values; take: Values; items(): AsyncGenerator<unknown>; quick(n: number): number };

const small = (text: string) => new Blob([text], { type: "text/plain" });
const ofSize = (bytes: number) => new Blob([new Uint8Array(bytes)]);

/** Two peers; `b` remembers what its methods were given. */
function blobPair(knowLimits = true, queueBytesMax?: number) {
  const seen: unknown[][] = [];
  const root = {
    echo: (...values: unknown[]) => {
      seen.push(values);
      return values[0];
    },
    take: (...values: unknown[]) => {
      seen.push(values);
    },
    quick: (n: number) => {
      seen.push([n]);
      return n;
    },
  };
  const pair = new Pair<Root, Root>(root, root, {}, {}, knowLimits);
  if (queueBytesMax) pair.a.sink.queueBytesMax = pair.b.sink.queueBytesMax = queueBytesMax;
  return { pair, seen };
}

/** What a call comes to while Blobs are read in between. */
async function outcome<T>(pair: Pair<never, never> | Pair<Root, Root>, call: PromiseLike<T>): Promise<T> {
  let isDone = false;
  const result = Promise.resolve(call).finally(() => {
    isDone = true;
  });
  result.catch(() => {});
  for (let turns = 0; !isDone && turns < 2_000; turns++) await pair.settle();
  if (!isDone) throw new Error("it hangs");
  return result;
}

async function failureOf(pair: Pair<Root, Root>, call: PromiseLike<unknown>): Promise<DuowireError> {
  const [result] = await outcome(pair, Promise.allSettled([call]));
  if (result?.status !== "rejected") throw new Error("it did not fail");
  return result.reason as DuowireError;
}

/** Blobs are read when the test says so. */
function gate() {
  const waiting: (() => void)[] = [];
  const read = Blob.prototype.arrayBuffer;
  const spy = vi.spyOn(Blob.prototype, "arrayBuffer").mockImplementation(async function (this: Blob) {
    await new Promise<void>((resolve) => waiting.push(resolve));
    return read.call(this);
  });
  return {
    spy,
    get count() {
      return waiting.length;
    },
    open() {
      for (const resolve of waiting.splice(0)) resolve();
    },
  };
}

/** A Blob whose file is gone. */
async function unreadable(): Promise<Blob> {
  const folder = mkdtempSync(join(tmpdir(), "duowire-"));
  const path = join(folder, "gone.txt");
  writeFileSync(path, "here");
  const blob = await openAsBlob(path);
  rmSync(folder, { recursive: true });
  return blob;
}

afterEach(() => {
  vi.restoreAllMocks();
});

const noReferences: ReferenceOwner = { stacks: false, send: () => undefined, receive: () => undefined };

async function encoded(value: unknown): Promise<Uint8Array> {
  const writer = new OctetWriter();
  const holes = encodeValue(noReferences, writer, value, "value", true);
  return holes ? new UnreadOctets(writer, 0, holes).read() : writer.take();
}

test("Blobs and Files are the golden octets, both ways", async () => {
  const url = new URL("../../spec/vectors/values.json", import.meta.url);
  const { blobs } = JSON.parse(readFileSync(url, "utf8")) as {
    blobs: { name: string; hex: string; value: Notation }[];
  };
  expect(blobs.length).toBeGreaterThan(7);
  for (const { name, hex, value } of blobs) {
    const built = build(value);
    expect(Buffer.from(await encoded(built)).toString("hex"), name).toBe(hex);
    const reader = new OctetReader(fromHex(hex));
    const received = decodeValue(noReferences, reader);
    expect(reader.remaining, name).toBe(0);
    await readBlobs([built, received]);
    expect(describe(received), name).toStrictEqual(describe(built));
  }
});

const octets = fc.uint8Array({ maxLength: 300 }).map((one) => one.slice());
const type = fc.constantFrom("", "text/plain", "image/png");
const blob = fc.oneof(
  fc.tuple(octets, type).map(([one, type]) => new Blob([one], { type })),
  fc
    .tuple(octets, type, fc.string({ unit: "grapheme" }), fc.integer())
    .map(([one, type, name, lastModified]) => new File([one], name, { type, lastModified })),
);
const { value } = fc.letrec((tie) => {
  const several = fc.array(tie("value"), { maxLength: 4 });
  const key = fc.string({ maxLength: 5 }).filter((one) => one !== "__proto__");
  return {
    value: fc.oneof(
      { maxDepth: 4 },
      fc.oneof(blob, blob, fc.integer(), octets, fc.string(), fc.constant(undefined)),
      ...[several, several.map((values) => new Set(values)), fc.dictionary(key, tie("value"), { maxKeys: 4 })],
      fc.array(fc.tuple(tie("value"), tie("value")), { maxLength: 3 }).map((entries) => new Map(entries)),
    ),
  };
});

test("Blobs anywhere in arguments and results cross, both ways", async () => {
  const { pair, seen } = blobPair();
  const property = fc.asyncProperty(value, fc.boolean(), async (one, isBack) => {
    const result = await outcome(pair, (isBack ? pair.remoteA : pair.remoteB).echo(one, [one]));
    const received = seen.pop();
    await readBlobs([one, result, received]);
    expect(received?.map(describe)).toStrictEqual([describe(one), [describe(one)]]);
    expect(describe(result)).toStrictEqual(describe(one));
  });
  await fc.assert(property, { numRuns: 150 });
  expect([...pair.a.told.bugs, ...pair.b.told.bugs]).toStrictEqual([]);
});

test("calls start in the order made, whichever of them have Blobs, name results, or fail", async () => {
  const gone = await unreadable();
  const kinds = fc.array(fc.constantFrom("plain", "blob", "named", "gone", "large"), { maxLength: 20 });
  const property = fc.asyncProperty(kinds, fc.integer({ min: 1, max: 5 }), async (list, callsInFlightMax) => {
    const { pair, seen } = blobPair();
    pair.a.peer.setLimits({ ...limits, callsInFlightMax });
    let before: PromiseLike<unknown> = pair.remoteB.echo("first");
    const calls = list.map((kind, n) => {
      if (kind === "gone" || kind === "large") return pair.remoteB.take(n, kind === "gone" ? gone : ofSize(5_000_000));
      if (kind === "named") return pair.remoteB.take(n, [before, small(`of ${n}`)]);
      const call = pair.remoteB.echo(n, kind === "blob" ? [small("x")] : []);
      before = call;
      return call;
    });
    const settled = await outcome(pair, Promise.allSettled(calls));
    const fails = (kind: string) => kind === "gone" || kind === "large";
    expect(settled.map(({ status }) => status)).toStrictEqual(
      list.map((kind) => (fails(kind) ? "rejected" : "fulfilled")),
    );
    expect(seen.slice(1).map(([n]) => n)).toStrictEqual([...list.keys()].filter((n) => !fails(list[n] as string)));
    expect(pair.a.peer.figures).toMatchObject({ openCount: 0, waitingCount: 0 });
  });
  await fc.assert(property, { numRuns: 40 });
});

test("a call is as it was when it was made, and what it lends is lent", async () => {
  const { pair, seen } = blobPair();
  const reading = gate();
  const args = { list: [1], blob: small("a"), call: () => "called" };
  const call = pair.remoteB.take(args);
  args.list.push(2);
  args.blob = small("b");
  await pair.settle();
  expect([seen.length, reading.count]).toStrictEqual([0, 1]);
  reading.open();
  await outcome(pair, call);
  vi.restoreAllMocks();
  const [[received]] = seen as [[{ list: number[]; blob: Blob; call: () => PromiseLike<string> }]];
  expect([received.list, await received.blob.text()]).toStrictEqual([[1], "a"]);
  expect(await outcome(pair, received.call())).toBe("called");
});

test("while Blobs are read, later calls wait and nothing else does", async () => {
  const { pair, seen } = blobPair();
  const early = pair.remoteB.echo("early");
  const reading = gate();
  const first = pair.remoteB.echo(1, small("a"), small("b"));
  const second = pair.remoteB.echo(2, small("c"));
  const third = pair.remoteB.echo(3);
  expect(await pair.answer(early)).toBe("early");
  expect(await pair.answer(pair.remoteA.quick(7))).toBe(7);
  expect(reading.count).toBe(3);
  expect(pair.a.peer.figures).toMatchObject({ openCount: 0, waitingCount: 3 });
  expect(seen).toStrictEqual([["early"], [7]]);
  reading.open();
  expect(await outcome(pair, Promise.all([first, second, third]))).toStrictEqual([1, 2, 3]);
});

test("while the Blobs of a result are read, later calls are answered; a cancelled one is answered so", async () => {
  const root = { echo: (name: unknown) => ({ blob: small(String(name)), lent: () => {} }), quick: (n: number) => n };
  const pair = new Pair<Root, Root>(undefined, root);
  const reading = gate();
  const made = pair.remoteB.echo("made") as PromiseLike<{ blob: Blob }>;
  const cancelled = pair.remoteB.echo("cancelled");
  expect(await pair.answer(pair.remoteB.quick(1))).toBe(1);
  cancelled[Symbol.dispose]();
  await pair.settle();
  expect([reading.count, pair.b.peer.figures.runningCount]).toStrictEqual([2, 2]);
  reading.open();
  const { blob } = await outcome(pair, made);
  vi.restoreAllMocks();
  expect(await blob.text()).toBe("made");
  expect(await failureOf(pair, cancelled)).toMatchObject({ code: "cancelled" });
  expect(pair.b.peer.figures).toMatchObject({ runningCount: 0, lentCount: 1 });
  expect(pair.b.told.serviceErrors).toStrictEqual([]);
});

test("what a Blob counts bounds how many one value may have", async () => {
  const each = { Blob: 1 + 1 + EXTENSION_COUNT + BLOB_COUNT, File: 1 + 3 + EXTENSION_COUNT + BLOB_COUNT };
  for (const [one, counts] of [
    [small("a"), each.Blob],
    [new File([], "f"), each.File],
  ] as const) {
    const most: Blob[] = new Array(Math.floor(COUNT_MAX / counts)).fill(one);
    const octets = await encoded(most);
    expect(decodeValue(noReferences, new OctetReader(octets))).toHaveLength(most.length);
    await expect(encoded([...most, one])).rejects.toThrow(/more than 1000000 values/);
    const [head, high, low] = [octets[0], octets[1] as number, octets[2] as number];
    const count = ((high << 8) | low) + 1;
    const more = Buffer.concat([Buffer.from([head as number, count >> 8, count & 255]), octets.subarray(3)]);
    const last = octets.subarray(octets.length - (octets.length - 3) / most.length);
    const reader = new OctetReader(Buffer.concat([more, last]));
    expect(() => decodeValue(noReferences, reader)).toThrow(MalformedOctets);
  }
});

test("what is too large is refused before it is read, with what to do", async () => {
  const { pair } = blobPair();
  const { spy } = gate();
  const large = ofSize(limits.messageBytesMax);
  const tooLarge = { code: "message_too_large", message: expect.stringContaining("stream()") };
  expect(await failureOf(pair, pair.remoteB.take([large]))).toMatchObject({ ...tooLarge, outcome: "not_sent" });
  const [first, second] = [pair.a, pair.b].map(({ peer }) => peer.channel("c"));
  expect(() => first?.postMessage(large)).toThrow(expect.objectContaining(tooLarge));
  second?.close();
  expect(spy).not.toHaveBeenCalled();
});

test("a result and an item that are too large are refused before they are read", async () => {
  const large = ofSize(limits.messageBytesMax);
  const root = {
    echo: () => ({ large, lent: () => {} }),
    async *items() {
      yield 1;
      yield large;
    },
  };
  const pair = new Pair<Root, Root>(undefined, root);
  const { spy } = gate();
  const error = await failureOf(pair, pair.remoteB.echo());
  expect(error).toMatchObject({ code: "message_too_large", outcome: "answered" });
  expect(error.message).toContain("stream()");
  const items = await pair.answer(pair.remoteB.items());
  expect(await outcome(pair, items.next())).toStrictEqual({ done: false, value: 1 });
  expect(await failureOf(pair, items.next())).toMatchObject({ code: "message_too_large" });
  expect(spy).not.toHaveBeenCalled();
  expect(pair.b.peer.figures).toMatchObject({ lentCount: 0, runningCount: 0, sendingCount: 0 });
});

test("before the limits are known, a large Blob is not read; then it is, or is refused", async () => {
  const { pair, seen } = blobPair(false);
  const spy = vi.spyOn(Blob.prototype, "arrayBuffer");
  const calls = [pair.remoteB.echo(1, small("early"))];
  await outcome(pair, calls[0] as PromiseLike<unknown>);
  expect(spy).toHaveBeenCalledTimes(1);
  calls.push(pair.remoteB.echo(2, ofSize(100_000)), pair.remoteB.echo(3, ofSize(5_000_000)), pair.remoteB.echo(4));
  await pair.settle();
  expect(spy).toHaveBeenCalledTimes(1);
  pair.exchangeLimits();
  const settled = await outcome(pair, Promise.allSettled(calls));
  expect(settled.map(({ status }) => status[0])).toStrictEqual(["f", "f", "r", "f"]);
  expect(seen.map(([n]) => n)).toStrictEqual([1, 2, 4]);
  expect(spy).toHaveBeenCalledTimes(2);
});

test("what cannot be read rejects invalid_argument with its cause, wherever it stands", async () => {
  const gone = await unreadable();
  const root = {
    echo: () => [gone, () => {}],
    async *items() {
      yield [gone, () => {}];
    },
    take: () => {},
  };
  const pair = new Pair<Root, Root>(undefined, root);
  const error = await failureOf(pair, pair.remoteB.take({ gone, lent: () => {} }));
  expect(error).toMatchObject({ code: "invalid_argument", outcome: "not_sent", cause: { name: "NotReadableError" } });
  expect(await failureOf(pair, pair.remoteB.echo())).toMatchObject({ code: "invalid_argument", outcome: "answered" });
  const items = await pair.answer(pair.remoteB.items());
  expect(await failureOf(pair, items.next())).toMatchObject({ code: "invalid_argument" });
  expect(pair.b.told.serviceErrors.map(({ method }) => method)).toStrictEqual(["echo", "items"]);
  for (const { peer } of [pair.a, pair.b]) expect(peer.figures).toMatchObject({ lentCount: 0, sendingCount: 0 });
});

test("a Blob that has another length when it is read cannot be sent", async () => {
  const { pair, seen } = blobPair();
  vi.spyOn(Blob.prototype, "arrayBuffer").mockResolvedValueOnce(new ArrayBuffer(0));
  const error = await failureOf(pair, pair.remoteB.take(new File(["text"], "a.txt")));
  expect(error).toMatchObject({ code: "invalid_argument", message: expect.stringContaining('the File "a.txt"') });
  expect(seen).toStrictEqual([]);
});

test("a call whose Blobs are read can be cancelled, can be late, and ends with the session: not_sent", async () => {
  const { pair, seen } = blobPair();
  const reading = gate();
  const remote = pair.a.peer.remoteWith({ timeoutMs: 50 }) as Pair<Root, Root>["remoteB"];
  const late = remote.take(small("late"), () => {});
  const cancelled = pair.remoteB.take(small("cancelled"), () => {});
  const named = pair.remoteB.take(cancelled);
  const behind = pair.remoteB.echo("behind");
  cancelled[Symbol.dispose]();
  pair.clock.advance(60);
  expect(await pair.failure(late)).toMatchObject({ code: "deadline_exceeded", outcome: "not_sent" });
  for (const call of [cancelled, named]) {
    expect(await pair.failure(call)).toMatchObject({ code: "cancelled", outcome: "not_sent" });
  }
  // What was behind them has gone, and what is read now is for nobody.
  expect(await pair.answer(behind)).toBe("behind");
  const last = pair.remoteB.take(small("last"));
  expect(pair.a.peer.figures).toMatchObject({ waitingCount: 1, lentCount: 0 });
  pair.a.peer.end(new DuowireError("closed", undefined, { side: "local" }));
  expect(await pair.failure(last)).toMatchObject({ code: "closed", outcome: "not_sent" });
  reading.open();
  await pair.settle();
  await turn();
  expect(seen).toStrictEqual([["behind"]]);
  expect([...pair.a.told.bugs, ...pair.b.told.bugs]).toStrictEqual([]);
});

test("the session may end while a result, an item or a message is read", async () => {
  const root = {
    echo: () => [small("a"), () => {}],
    async *items() {
      yield small("item");
    },
  };
  const pair = new Pair<Root, Root>(undefined, root);
  const items = await pair.answer(pair.remoteB.items());
  const reading = gate();
  const [call, next] = [pair.remoteB.echo(), items.next()];
  next.catch(() => {});
  const [, channel] = [pair.a, pair.b].map(({ peer }) => peer.channel("c"));
  await pair.settle();
  channel?.postMessage(small("message"));
  await pair.settle();
  expect(reading.count).toBe(3);
  const reason = new DuowireError("lease_expired", undefined, { side: "local" });
  for (const { peer } of [pair.a, pair.b]) peer.end(reason);
  reading.open();
  expect(await pair.failure(call)).toMatchObject({ outcome: "outcome_unknown" });
  await expect(next).rejects.toBe(reason);
  expect([...pair.a.told.bugs, ...pair.b.told.bugs]).toStrictEqual([]);
});

test("queueBytesMax counts what is read, for calls and for results", async () => {
  const { pair } = blobPair(true, 1_000_000);
  const reading = gate();
  const call = pair.remoteB.take(ofSize(600_000));
  expect(await pair.failure(pair.remoteB.take(ofSize(600_000)))).toMatchObject({ code: "queue_full" });
  expect(await pair.failure(pair.remoteB.take(new Uint8Array(600_000)))).toMatchObject({ code: "queue_full" });
  reading.open();
  await outcome(pair, call);
  let [held, most] = [0, 0];
  const root = { echo: () => ofSize(600_000) };
  const answering = new Pair<Root, Root>(undefined, root);
  answering.b.sink.queueBytesMax = 1_000_000;
  const calls = Array.from({ length: 10 }, () => answering.remoteB.echo());
  for (let turns = 0; turns < 100; turns++) {
    held = reading.count;
    most = Math.max(most, held);
    reading.open();
    await answering.settle();
  }
  expect(most).toBe(2);
  expect(await Promise.all(calls)).toHaveLength(10);
});

test("items and messages with Blobs keep their order, are as they were, and other streams go on", async () => {
  const root = {
    async *items(name = "x") {
      for (let n = 0; n < 6; n++) yield n % 2 ? [name, n] : [name, n, small(name)];
    },
  };
  const pair = new Pair<Root, { items(name: string): AsyncGenerator<unknown[]> }>(undefined, root);
  const [a, b] = [await pair.answer(pair.remoteB.items("a")), await pair.answer(pair.remoteB.items("b"))];
  const lists = await outcome(pair as never, Promise.all([collect(a), collect(b)]));
  for (const [index, list] of lists.entries()) {
    const name = "ab"[index];
    const texts = list.map(async ([, , blob]) => (blob as Blob | undefined)?.text());
    expect(list.map(([, n]) => n)).toStrictEqual([0, 1, 2, 3, 4, 5]);
    expect(await Promise.all(texts)).toStrictEqual([name, undefined, name, undefined, name, undefined]);
  }
  const [left, right] = [pair.a, pair.b].map(({ peer }) => peer.channel("c"));
  const came: unknown[] = [];
  const all = deferred<void>();
  if (right) right.onmessage = ({ data }) => came.push(data) === 5 && all.resolve();
  const message = { n: 0, blob: small("m") };
  for (; message.n < 5; message.n++) left?.postMessage(message.n % 2 ? message.n : message);
  await outcome(pair as never, all.promise);
  expect(came.map((one) => (typeof one === "number" ? one : (one as { n: number }).n))).toStrictEqual([0, 1, 2, 3, 4]);
  expect(await (came[4] as { blob: Blob }).blob.text()).toBe("m");
});

async function collect(items: AsyncIterable<unknown[]>): Promise<unknown[][]> {
  const list: unknown[][] = [];
  for await (const one of items) list.push(one);
  return list;
}

test("a message that cannot be read ends its channel at both sides, and here with the reason", async () => {
  const { pair } = blobPair();
  const ends = [pair.a, pair.b].map(({ peer }) => peer.channel("c"));
  const closed = ends.map(
    (end) => new Promise<unknown>((resolve) => end.addEventListener("close", ({ detail }) => resolve(detail.reason))),
  );
  ends[1]?.start();
  ends[0]?.postMessage([await unreadable(), () => {}]);
  ends[0]?.postMessage("behind");
  const [here, there] = await outcome(pair, Promise.all(closed));
  expect(here).toMatchObject({ code: "invalid_argument", cause: { name: "NotReadableError" } });
  expect(there).toMatchObject({ code: "invalid_argument" });
  expect(pair.a.peer.figures).toMatchObject({ lentCount: 0 });
});

test("a Blob among results that are named is passed on", async () => {
  const { pair, seen } = blobPair();
  const made = pair.remoteB.echo(small("made"));
  await outcome(pair, pair.remoteB.take(made, [made.result]));
  const [one, [two]] = seen[1] as [Blob, [Blob]];
  expect([await one.text(), await two.text(), one.type]).toStrictEqual(["made", "made", "text/plain"]);
});

test("where Blobs cannot wait to be read, they are refused or left out: groups, errors, what is thrown", async () => {
  const refused = expect.objectContaining({
    code: "invalid_argument",
    message: expect.stringContaining("arrayBuffer()"),
  });
  expect(() => encodeCall("hear", [small("a")])).toThrow(refused);
  const root = {
    echo: () => {
      throw small("thrown");
    },
    take: () => {
      throw Object.assign(new Error("with data"), { data: { blob: small("a") }, code: "c" });
    },
  };
  const pair = new Pair<Root, Root>(undefined, root);
  expect(await pair.failure(pair.remoteB.echo())).toMatchObject({ code: "invalid_argument" });
  const error = await pair.failure(pair.remoteB.take());
  expect(error).toMatchObject({ message: "with data", code: "c" });
  expect(error).not.toHaveProperty("data.blob");
});

test("a getter that sends while a Blob is sent cannot spoil it", async () => {
  const { pair, seen } = blobPair();
  const argument = {
    before: small("before"),
    get tricky() {
      expect(() => encodeCall("hear", [1])).toThrow(/a getter may not send/);
      return 1;
    },
    after: small("after"),
  };
  await outcome(pair, pair.remoteB.take(argument));
  const [[{ before, after }]] = seen as [[{ before: Blob; after: Blob }]];
  expect([await before.text(), await after.text()]).toStrictEqual(["before", "after"]);
});
