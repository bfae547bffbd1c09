import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { MalformedOctets } from "../../src/base/octets.js";
import { callSignal } from "../../src/rpc/incoming-call.js";
import { RpcPeer } from "../../src/rpc/peer.js";
import { Target } from "../../src/rpc/service.js";
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
  Object.assign(peer, {
    context: {},
    incoming: { receive: hear(1), cancel: hear(4), resume() {} },
    outgoing: {
      receiveAnswer: (reader: object, isFailure: boolean) => hear(isFailure ? 3 : 2)(reader),
      references: { receiveRelease: hear(5), receiveRevoke: hear(6) },
    },
  });
  peer.receive(octets(message.octets), 0);
  const { type, call, reference, count } = message;
  if (type < 4) return heard[0] === type;
  return heard[0] === type && heard[1] === (call ?? reference) && heard[2] === count;
}

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
