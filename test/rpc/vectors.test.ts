import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { encodePlain } from "../../src/base/messagepack.js";
import { MalformedOctets, type OctetReader, OctetWriter } from "../../src/base/octets.js";
import { callSignal } from "../../src/rpc/incoming-call.js";
import { IncomingStream } from "../../src/rpc/incoming-stream.js";
import { type PeerContext, readTarget } from "../../src/rpc/messages.js";
import { OutgoingStream } from "../../src/rpc/outgoing-stream.js";
import { RpcPeer } from "../../src/rpc/peer.js";
import type { References } from "../../src/rpc/references.js";
import { Target } from "../../src/rpc/service.js";
import { Streams } from "../../src/rpc/streams.js";
import { release } from "../../src/rpc/stub.js";
import { hex, type limits, octets, Pair, type Side, turn } from "./support.js";

interface Step {
  in?: string;
  out?: string;
  outFailure?: [call: number, code: string];
  urgent?: string;
  call?: { reference?: number; method?: string; args: unknown[] };
  release?: number;
}

interface Message {
  name: string;
  octets: string;
  isOtherForm?: boolean;
  type: number;
  call: number;
  target?: number;
  method?: string;
  args?: unknown[];
  deadlineMs?: number;
  metadata?: Record<string, string>;
  reference?: number;
  count?: number;
  stream?: number;
  credit?: number;
  value?: unknown;
  errorName?: string;
}

const vectors = JSON.parse(readFileSync(new URL("../../spec/vectors/rpc.json", import.meta.url), "utf8")) as {
  limits: typeof limits;
  messages: Message[];
  violations: { name: string; octets: string }[];
  exchanges: { name: string; steps: Step[] }[];
};

class Lent extends Target {
  hi(): string {
    return "hi";
  }
}

/** The root that the vectors speak of, and the stubs that came as arguments. */
function setUp() {
  const lent = new Lent();
  const stubs: ((...args: unknown[]) => unknown)[] = [];
  const root = {
    echo: (value: unknown) => {
      if (typeof value === "function") stubs.push(value as (typeof stubs)[0]);
      return value;
    },
    lend: () => lent,
    *count(to: number) {
      for (let n = 1; n <= to; n++) yield n;
    },
    async sum(items: AsyncIterable<number>) {
      let sum = 0;
      for await (const item of items) sum += item;
      return sum;
    },
    fill(into: WritableStream<number>, to: number) {
      const writer = into.getWriter();
      for (let n = 1; n <= to; n++) writer.write(n).catch(() => {});
      writer.close().catch(() => {});
    },
    sink: () => new WritableStream(),
    wait: () => {
      const signal = callSignal();
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    },
  };
  return { stubs, side: new Pair(undefined, root).b };
}

/** Takes the next message of the side's queue, as hexadecimal digits. */
function next(side: Side): string {
  return side.sink.messages.length > 0 ? hex(side.sink.hand()) : "";
}

function play(side: Side, stubs: ((...args: unknown[]) => unknown)[], step: Step): void {
  const [stub] = stubs;
  if (step.in !== undefined) side.peer.receive(octets(step.in), 1);
  if (step.out !== undefined) {
    let out = "";
    const expected = hex(octets(step.out));
    while (out.length < expected.length && side.sink.messages.length > 0) out += next(side);
    expect(out).toBe(expected);
    if (expected === "") expect(side.sink.messages).toEqual([]);
  }
  if (step.outFailure) {
    const [call, code] = step.outFailure;
    const out = next(side);
    expect(out.startsWith(`93030${call}`)).toBe(true);
    expect(out).toContain(Buffer.from(code).toString("hex"));
  }
  if (step.urgent !== undefined) expect(hex(side.peer.urgent(1_000) ?? octets(""))).toBe(hex(octets(step.urgent)));
  if (step.call?.reference) stub?.(...step.call.args);
  else if (step.call?.method) {
    const remote = side.peer.remote as Record<string, (...args: unknown[]) => unknown>;
    remote[step.call.method]?.(...step.call.args);
  }
  if (step.release) release(stub as object);
}

test.each(vectors.exchanges)("vectors: $name", async ({ steps }) => {
  const { side, stubs } = setUp();
  expect(side.limits).toEqual(vectors.limits);
  for (const step of steps) {
    play(side, stubs, step);
    await turn();
  }
  expect(side.sink.messages).toEqual([]);
});

test.each(vectors.violations)("vectors: violation, $name", ({ octets: message }) => {
  const { side } = setUp();
  let thrown: unknown;
  try {
    side.peer.receive(octets(message), 0);
  } catch (error) {
    thrown = error;
  }
  const { code } = (thrown ?? {}) as { code?: string };
  expect(thrown instanceof MalformedOctets || code === "protocol_error").toBe(true);
});

test.each(vectors.messages)("vectors: $name is read as it is meant", async (message) => {
  const heard = await listen(message);
  expect(heard).toBe(true);
});

/** Hands a message to the part of a peer that it is for, and says whether it got there as it is described. */
async function listen(message: Message): Promise<boolean> {
  const heard: unknown[] = [];
  const peer = Object.create(RpcPeer.prototype) as RpcPeer;
  const hear = (type: number) => (first: unknown, second?: unknown) => {
    if (first instanceof Object && "offset" in first)
      (first as { offset: number }).offset = octets(message.octets).length;
    heard.push(type, first, second);
  };
  const { receiveOpen } = listener(hear);
  Object.assign(peer, {
    context: {},
    channels: { receiveOpen },
    incoming: { receive: hear(1), cancel: hear(4), resume() {} },
    outgoing: {
      receiveAnswer: (reader: object, isFailure: boolean) => hear(isFailure ? 3 : 2)(reader),
      references: { receiveRelease: hear(5), receiveRevoke: hear(6), streams: listener(hear) },
    },
  });
  peer.receive(octets(message.octets), 0);
  const { type, call, reference, count } = message;
  if (type > 6) return heard[0] === type && heard[1] === message.stream;
  if (type < 4) return heard[0] === type;
  return heard[0] === type && heard[1] === (call ?? reference) && heard[2] === count;
}

/** The part of a peer that streams are for: it hears of the message that stands there. */
function listener(hear: (type: number) => (first: unknown) => void) {
  const of = (type: number) => (reader: OctetReader) => {
    const stream = readTarget(reader);
    reader.offset = reader.end;
    hear(type)(stream);
  };
  return {
    receiveCredit: of(7),
    receiveItem: of(8),
    receiveEnd: of(9),
    receiveBreak: of(10),
    receiveStop: of(11),
    receiveOpen: of(12),
  };
}

test.each(vectors.messages.filter(({ type }) => type > 6))("vectors: $name is written so", (message) => {
  const { peer, sink } = new Pair(undefined, undefined).a;
  const { type, stream = 0, credit = 0, value } = message;
  const { references } = (peer as unknown as { outgoing: { references: References } }).outgoing;
  const { context } = peer as unknown as { context: PeerContext };
  const streams = new Streams(context, references);
  const incoming = new IncomingStream(streams, stream);
  const outgoing = new OutgoingStream(streams, stream, { next: async () => undefined, stop() {} }, false);
  const error = Object.assign(new Error("too"), { name: message.errorName });
  if (type === 7) streams.grant(Object.assign(incoming, { owed: credit, mark: 0 }));
  if (type === 8)
    streams.sendItem(outgoing, {
      write(writer): undefined {
        encodePlain(writer, value);
      },
    });
  if (type === 9) streams.sendEnd(outgoing, undefined);
  if (type === 10) streams.sendEnd(outgoing, { error });
  if (type === 12) {
    Object.assign((streams as unknown as { table: object }).table, { lastNumber: stream - 1 });
    streams.open(value as string, { next: () => new Promise(() => {}), stop() {} });
  }
  if (type === 11) streams.stop(Object.assign(incoming, { mark: 0 }), value);
  const writer = new OctetWriter();
  streams.writeUrgent(writer, 1_000);
  expect(hex(writer.length > 0 ? writer.take() : sink.hand())).toBe(hex(octets(message.octets)));
});

test("vectors: messages are written as they are described", async () => {
  const { peer, sink } = new Pair(undefined, undefined).a;
  const writers = peer as unknown as {
    outgoing: {
      lastNumber: number;
      call(target: unknown, method: string, args: unknown[], options?: object): Promise<unknown>;
    };
  };
  for (const message of vectors.messages) {
    const { isOtherForm, type, call, target = 0, method, args, deadlineMs, metadata } = message;
    if (isOtherForm || type !== 1) continue;
    writers.outgoing.lastNumber = call - 1;
    const stub = target === 0 ? undefined : { held: { number: target, pins: 0 } };
    const options = deadlineMs || metadata ? { timeoutMs: deadlineMs, metadata } : undefined;
    writers.outgoing.call(stub, method ?? "", args ?? [], options).catch(() => {});
    expect(hex(sink.hand())).toBe(hex(octets(message.octets)));
  }
});
