import { expect, test } from "vitest";
import { DuowireError } from "../../src/base/errors.js";
import { MalformedOctets } from "../../src/base/octets.js";
import { CHANNEL_BYTES_MAX, CHANNEL_BYTES_READY, type Channel } from "../../src/rpc/channel.js";
import { CHANNEL_NAME_CHARS_MAX, CHANNELS_WAITING_MAX } from "../../src/rpc/channels.js";
import { STREAM_WINDOW_BYTES } from "../../src/rpc/incoming-stream.js";
import { octets, Pair, turn } from "./support.js";

function setUp() {
  const pair = new Pair();
  return { pair, a: pair.a.peer, b: pair.b.peer };
}

/** What comes out of a channel: its messages, and the names of its other events. */
function hear(channel: Channel): unknown[] {
  const heard: unknown[] = [];
  channel.onmessage = ({ data }) => heard.push(data);
  for (const type of ["messageerror", "close"]) channel.addEventListener(type, () => heard.push(type));
  return heard;
}

const nothing = { channelCount: 0, sendingCount: 0, receivingCount: 0, lentCount: 0, heldCount: 0 };

test("messages arrive once and in order, both ways, whatever values they are", async () => {
  const { pair, a, b } = setUp();
  const [left, right] = [a.channel("x"), b.channel("x")];
  const [heardLeft, heardRight] = [hear(left), hear(right)];
  left.postMessage({ a: [new Uint8Array([1, 2]), new Map([["k", 5n]])] });
  left.postMessage(undefined);
  right.postMessage("back");
  await pair.settle();
  expect(heardRight).toEqual([{ a: [new Uint8Array([1, 2]), new Map([["k", 5n]])] }, undefined]);
  expect(heardLeft).toEqual(["back"]);
});

test("a message is a snapshot of when it was posted", async () => {
  const { pair, a, b } = setUp();
  const heard = hear(b.channel("x"));
  const message = { n: 1 };
  const channel = a.channel("x");
  channel.postMessage(message);
  message.n = 2;
  channel.postMessage(message);
  await pair.settle();
  expect(heard).toEqual([{ n: 1 }, { n: 2 }]);
});

test("what is posted before the other side has opened the channel, or has started it, is held", async () => {
  const { pair, a, b } = setUp();
  const left = a.channel("x");
  left.postMessage(1);
  await pair.settle();
  const right = b.channel("x");
  const heard: unknown[] = [];
  right.addEventListener("message", ({ data }) => heard.push(data));
  left.postMessage(2);
  await pair.settle();
  expect(heard).toEqual([]);
  right.start();
  await pair.settle();
  expect(heard).toEqual([1, 2]);
});

test("channels of several names, and several of one name, meet in the order in which they were opened", async () => {
  const { pair, a, b } = setUp();
  const here = ["y", "x", "x"].map((name) => a.channel(name));
  const there = ["x", "x", "y"].map((name) => b.channel(name));
  const heard = there.map(hear);
  for (const [index, channel] of here.entries()) channel.postMessage(index);
  await pair.settle();
  expect(heard).toEqual([[1], [2], [0]]);
});

test("close arrives behind what was posted before, ends both sides, and the name can be opened again", async () => {
  const { pair, a, b } = setUp();
  const [left, right] = [a.channel("x"), b.channel("x")];
  const [heardLeft, heardRight] = [hear(left), hear(right)];
  for (let n = 0; n < 3; n++) left.postMessage(new Uint8Array(100_000).fill(n));
  left.close();
  right.postMessage("too late");
  expect(() => left.postMessage(1)).toThrow(/closed/);
  await pair.settle();
  expect(heardLeft).toEqual(["close"]);
  expect(heardRight.map((one) => (one instanceof Uint8Array ? one[0] : one))).toEqual([0, 1, 2, "close"]);
  expect(() => right.postMessage(1)).toThrow(/closed/);
  expect(a.figures).toMatchObject(nothing);
  expect(b.figures).toMatchObject(nothing);
  const again = hear(b.channel("x"));
  a.channel("x").postMessage("again");
  await pair.settle();
  expect(again).toEqual(["again"]);
});

test("a channel that was closed before the other side opened it delivers what it has there, and ends", async () => {
  const { pair, a, b } = setUp();
  const left = a.channel("x");
  left.postMessage(1);
  left.close();
  await pair.settle();
  const heard = hear(b.channel("x"));
  await pair.settle();
  expect(heard).toEqual([1, "close"]);
  expect(a.figures).toMatchObject(nothing);
  expect(b.figures).toMatchObject(nothing);
});

test("whoever posts feels that the other side does not read: bufferedAmount, ready, queue_full", async () => {
  const { pair, a, b } = setUp();
  const channel = a.channel("x");
  const right = b.channel("x");
  const message = new Uint8Array(10_000);
  let posted = 0;
  expect(() => {
    for (;;) {
      channel.postMessage(message);
      posted++;
    }
  }).toThrow(expect.objectContaining({ code: "queue_full" }));
  expect(channel.bufferedAmount).toBeGreaterThan(CHANNEL_BYTES_MAX - 20_000);
  let isReady = false;
  void channel.ready.then(() => {
    isReady = true;
  });
  await pair.settle();
  expect(isReady).toBe(false);
  // Nothing but what may come unasked has come.
  expect(posted * 10_000 - channel.bufferedAmount).toBeLessThan(STREAM_WINDOW_BYTES);
  const heard = hear(right);
  await pair.settle();
  expect(isReady).toBe(true);
  expect(channel.bufferedAmount).toBeLessThanOrEqual(CHANNEL_BYTES_READY);
  expect(heard.length).toBe(posted);
  await channel.ready;
});

test("a message that cannot be sent throws where it is posted, and the channel goes on", async () => {
  const { pair, a, b } = setUp();
  const channel = a.channel("x");
  const heard = hear(b.channel("x"));
  expect(() => channel.postMessage(Symbol("no"))).toThrow(expect.objectContaining({ code: "invalid_argument" }));
  expect(() => channel.postMessage(new Uint8Array(5_000_000))).toThrow(
    expect.objectContaining({ code: "message_too_large" }),
  );
  channel.postMessage("fine");
  await pair.settle();
  expect(heard).toEqual(["fine"]);
});

test("messages lend functions and streams, and what is dropped is given back", async () => {
  const { pair, a, b } = setUp();
  const channel = a.channel("x");
  const heard = hear(b.channel("x"));
  channel.postMessage([(n: number) => n + 1, new ReadableStream({ start: (controller) => controller.close() })]);
  await pair.settle();
  const [[add, stream]] = heard as [[(n: number) => Promise<number>, ReadableStream]];
  expect(await pair.answer(add(1))).toBe(2);
  expect((await pair.answer(stream.getReader().read())).done).toBe(true);
  const other = a.channel("never");
  other.postMessage(new Uint8Array(100_000));
  other.postMessage(() => 1);
  expect(a.figures.lentCount).toBe(2);
});

test("a message that the receiver refuses is a messageerror, and the channel closes", async () => {
  const { b } = setUp();
  const heard = hear(b.channel("x"));
  b.receive(octets("93 0c 01 a178"), 0);
  b.receive(octets("93 08 01 81 a9 5f5f70726f746f5f5f 01"), 0);
  await turn();
  expect(heard).toEqual(["messageerror", "close"]);
});

test("the session's end closes all channels, with the reason", async () => {
  const { pair, a, b } = setUp();
  const [left, right, alone] = [a.channel("x"), b.channel("x"), b.channel("y")];
  const reasons: unknown[] = [];
  for (const channel of [left, right, alone])
    channel.addEventListener("close", ({ detail }) => reasons.push(detail.reason));
  await pair.settle();
  const reason = new DuowireError("lease_expired");
  a.end(reason);
  b.end(reason);
  await pair.settle();
  expect(reasons).toEqual([reason, reason, reason]);
  expect(() => left.postMessage(1)).toThrow(expect.objectContaining({ code: "lease_expired" }));
  expect(() => a.channel("z")).toThrow(reason);
  await left.ready;
});

test("names and the number of channels that wait are limited, at home and for the far side", async () => {
  const { pair, a, b } = setUp();
  for (const name of ["", "n".repeat(CHANNEL_NAME_CHARS_MAX + 1)])
    expect(() => a.channel(name)).toThrow(expect.objectContaining({ code: "invalid_argument" }));
  for (let n = 0; n < CHANNELS_WAITING_MAX; n++) a.channel(`c${n}`);
  expect(() => a.channel("more")).toThrow(expect.objectContaining({ code: "reference_quota" }));
  await pair.settle();
  b.channel("c0");
  await pair.settle();
  a.channel("more");
  await pair.settle();
  expect(() => b.receive(octets("93 0c 79 a178"), 0)).toThrow(/channels/);
});

test.each([
  ["an empty name", "93 0c 01 a0"],
  ["stream 0", "93 0c 00 a178"],
  ["a negative stream", "93 0c ff a178"],
  ["a stream that is there", "93 0c 01 a178  93 0c 01 a179"],
  ["a name that is no text", "93 0c 01 05"],
  ["more than may come unasked", `93 0c 01 a178  93 08 01 c6 00010000 ${"00".repeat(65_536)}  93 08 01 05`],
])("OPEN of %s is a violation", (_name, message) => {
  const { b } = setUp();
  let error: unknown;
  try {
    b.receive(octets(message), 0);
  } catch (thrown) {
    error = thrown;
  }
  expect(error instanceof MalformedOctets || (error as DuowireError)?.code === "protocol_error", String(error)).toBe(
    true,
  );
});
