import { expect, test } from "vitest";
import { DuowireError } from "../../src/base/errors.js";
import { METADATA_CHARS_MAX, METADATA_COUNT_MAX } from "../../src/rpc/call-options.js";
import { callContext } from "../../src/rpc/incoming-call.js";
import type { CallSession, Interceptor } from "../../src/rpc/interceptors.js";
import type { RpcPeerOptions } from "../../src/rpc/peer.js";
import { Target } from "../../src/rpc/service.js";
import type { CallOptions } from "../../src/rpc/stub.js";
import { octets, Pair, turn } from "./support.js";

type Root = Record<string, (...args: unknown[]) => unknown>;
type Calls = Record<string, (...args: unknown[]) => Promise<unknown>>;

const ALICE: CallSession = { address: { href: "http://192.0.2.1:9000/WAO1" }, state: "open", principal: "alice" };
const root: Root = {
  echo: (value) => value,
  fail: () => {
    throw new Error("on purpose");
  },
  metadata: () => callContext().metadata,
  later: async () => {
    const { metadata, method, principal } = callContext();
    await turn();
    return { metadata, method, principal };
  },
  // biome-ignore lint/suspicious/noThenProperty: such a result is what is tested.
  thenable: () => ({ then: () => 1 }),
};

function pairWith(a: Partial<RpcPeerOptions> = {}, b: Partial<RpcPeerOptions> = {}) {
  const pair = new Pair(undefined, root, { session: () => ALICE, ...a }, { session: () => ALICE, ...b });
  return { pair, remote: pair.a.peer.remote as Calls };
}

const withOptions = (pair: Pair, options: CallOptions) => pair.a.peer.remoteWith(options) as Calls;

test("callContext tells a method its metadata, its name and who calls", async () => {
  const { pair, remote } = pairWith();
  const metadata = { traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01" };
  const calls = withOptions(pair, { metadata, timeoutMs: 1_000 });
  expect(await pair.answer(calls.later?.() as Promise<unknown>)).toStrictEqual({
    metadata,
    method: "later",
    principal: "alice",
  });
  expect(await pair.answer(remote.metadata?.() as Promise<unknown>)).toStrictEqual({});
});

test("callContext outside of a call has nothing, and a signal never aborted", () => {
  const { metadata, session, principal, method, signal } = callContext();
  expect({ metadata, session, principal, method }).toStrictEqual({
    metadata: {},
    session: undefined,
    principal: undefined,
    method: "",
  });
  expect(signal.aborted).toBe(false);
});

test("metadata are taken at their limits, refused above, and before anything is sent", async () => {
  const { pair } = pairWith();
  const long = { a: "x".repeat(METADATA_CHARS_MAX - 1) };
  const many = Object.fromEntries(Array.from({ length: METADATA_COUNT_MAX }, (_, i) => [`k${i}`, ""]));
  for (const metadata of [long, many]) {
    expect(await pair.answer(withOptions(pair, { metadata }).metadata?.() as Promise<unknown>)).toStrictEqual(metadata);
  }
  const wrong: unknown[] = [{ ...many, more: "" }, { ...long, b: "" }, { a: 1 }, [], new Map(), { a: () => 1 }];
  for (const metadata of wrong) {
    const call = withOptions(pair, { metadata: metadata as Record<string, string> }).echo?.(1) as Promise<unknown>;
    expect(await pair.failure(call)).toMatchObject({ code: "invalid_argument", outcome: "not_sent" });
    expect(pair.a.sink.messages).toHaveLength(0);
  }
});

test("metadata of a hostile caller refuse the call and nothing else, and give back the references in them", async () => {
  const { pair } = pairWith();
  const first = octets("96 01 01 00 a46563686f 91 05 81 a16d 81 a174 d51001 00");
  pair.b.peer.receive(first, 0);
  expect(Buffer.from(pair.b.sink.hand()).toString("latin1")).toContain("invalid_argument");
  expect(Buffer.from(pair.b.peer.urgent(1_000) ?? []).toString("hex")).toBe("93050101");
  pair.b.peer.receive(octets("95 01 02 00 a46563686f 91 05"), 0);
  expect(Buffer.from(pair.b.sink.hand()).toString("hex")).toBe("93020205");
});

test("Interceptors run around a call at both sides, the first outermost, and see what came of it", async () => {
  const seen: string[] = [];
  const named = (name: string): Interceptor => {
    return async ({ direction, method, args, session }, next) => {
      seen.push(`${name} ${direction} ${method}(${args.join()}) ${session.principal}`);
      const result = await next();
      seen.push(`${name} -> ${result}`);
      return result;
    };
  };
  const { pair, remote } = pairWith({ interceptors: [named("a"), named("b")] }, { interceptors: [named("c")] });
  expect(await pair.answer(remote.echo?.(5) as Promise<unknown>)).toBe(5);
  expect(seen).toStrictEqual([
    "a outgoing echo(5) alice",
    "b outgoing echo(5) alice",
    "c incoming echo(5) alice",
    "c -> 5",
    "b -> 5",
    "a -> 5",
  ]);
});

test("Interceptors carry a trace across, into the calls that a method makes itself", async () => {
  // What an OpenTelemetry instrumentation does, by hand: W3C traceparent, one span per side and call.
  let spans = 0;
  let active: string | undefined;
  const trace: Interceptor = async ({ direction, metadata }, next) => {
    const parent = (direction === "incoming" ? metadata.traceparent : active)?.split("-");
    const traceparent = `00-${parent?.[1] ?? "4bf92f3577b34da6a3ce929d0e0e4736"}-${String(++spans).padStart(16, "0")}-01`;
    if (direction === "outgoing") metadata.traceparent = traceparent;
    const outer = active;
    active = traceparent;
    try {
      return next();
    } finally {
      active = outer;
    }
  };
  const pair: Pair = new Pair(
    { leaf: () => callContext().metadata.traceparent },
    { ask: () => (pair.remoteA as Calls).leaf?.() },
    { interceptors: [trace] },
    { interceptors: [trace] },
  );
  const call = (pair.remoteB as Calls).ask?.() as Promise<unknown>;
  expect(await pair.answer(call)).toBe("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000003-01");
});

test("Interceptors may refuse a call, answer it themselves, and change its arguments and its result", async () => {
  const change: Interceptor = async (call, next) => {
    if (call.method === "fail") throw new RangeError("not today");
    if (call.method === "metadata") return "cached";
    call.args[0] = 7;
    return [await next()];
  };
  for (const side of [0, 1]) {
    const options = [{}, {}];
    options[side] = { interceptors: [change] };
    const { pair, remote } = pairWith(...options);
    expect(await pair.failure(remote.fail?.() as Promise<unknown>)).toMatchObject({ message: "not today" });
    expect(await pair.answer(remote.metadata?.() as Promise<unknown>)).toBe("cached");
    expect(await pair.answer(remote.echo?.(1) as Promise<unknown>)).toStrictEqual([7]);
    expect(pair.a.peer.figures.openCount).toBe(0);
    expect(pair.b.told.bugs).toStrictEqual([]);
  }
});

test("Interceptors that call next() at once keep calls in the order made", async () => {
  const order: unknown[] = [];
  const pass: Interceptor = (call, next) => {
    if (call.direction === "incoming") order.push(call.args[0]);
    return next();
  };
  const { pair, remote } = pairWith({ interceptors: [pass, pass] }, { interceptors: [pass] });
  const calls = [1, 2, 3].map((n) => remote.echo?.(n) as Promise<unknown>);
  expect(await pair.answer(Promise.all(calls))).toStrictEqual([1, 2, 3]);
  expect(order).toStrictEqual([1, 2, 3]);
});

test("Interceptors that wait before next() delay the call, which can be cancelled meanwhile and is then not made", async () => {
  const waiting: Interceptor = async (_call, next) => {
    await turn();
    return next();
  };
  const { pair } = pairWith({ interceptors: [waiting] });
  const button = new AbortController();
  expect(await pair.answer(withOptions(pair, {}).echo?.(1) as Promise<unknown>)).toBe(1);
  const call = (pair.a.peer.remote as Calls).echo?.(2) as Promise<unknown> & Disposable;
  call[Symbol.dispose]();
  expect(await pair.failure(call)).toMatchObject({ code: "cancelled", outcome: "not_sent" });
  button.abort();
  expect(await pair.failure(withOptions(pair, { signal: button.signal }).echo?.(3) as Promise<unknown>)).toMatchObject({
    code: "cancelled",
  });
  expect(pair.a.peer.figures).toMatchObject({ openCount: 0, waitingCount: 0, lateAnswers: 0 });
});

test("Interceptors that hold a call do not hold its end: time-out, cancel, signal and the end of the session", async () => {
  const goOn: (() => void)[] = [];
  const waiting: Interceptor = async (_call, next) => {
    await new Promise<void>((resolve) => goOn.push(resolve));
    return next();
  };
  const { pair } = pairWith({ interceptors: [waiting] });
  const aborter = new AbortController();
  const calls = withOptions(pair, { timeoutMs: 1_000, signal: aborter.signal });
  const late = calls.echo?.(1) as Promise<unknown>;
  pair.clock.advance(1_000);
  await expect(late).rejects.toMatchObject({ code: "deadline_exceeded", outcome: "not_sent" });
  const disposed = calls.echo?.(2) as Promise<unknown> & Disposable;
  disposed[Symbol.dispose]();
  await expect(disposed).rejects.toMatchObject({ code: "cancelled", outcome: "not_sent" });
  const aborted = calls.echo?.(3) as Promise<unknown>;
  aborter.abort("enough");
  await expect(aborted).rejects.toMatchObject({ code: "cancelled", cause: "enough" });
  await expect(calls.echo?.(4)).rejects.toMatchObject({ code: "cancelled" });
  // What is left of the time is the call's.
  const slow = withOptions(pair, { timeoutMs: 1_000 }).later?.() as Promise<unknown>;
  pair.clock.advance(600);
  goOn[3]?.();
  await turn();
  pair.clock.advance(400);
  await expect(slow).rejects.toMatchObject({ code: "deadline_exceeded", outcome: "outcome_unknown" });
  const open = (pair.a.peer.remote as Calls).echo?.(5) as Promise<unknown>;
  pair.a.peer.end(new DuowireError("closed", undefined, { side: "local" }));
  await expect(open).rejects.toMatchObject({ code: "closed", outcome: "not_sent" });
  for (const run of goOn) run();
  await pair.settle();
  expect([pair.clock.timerCount, pair.a.sink.messages.length]).toEqual([0, 0]);
});

test("Interceptors call next() once: no call is made twice", async () => {
  const twice: Interceptor = async (_call, next) => {
    await next();
    return next();
  };
  const { pair, remote } = pairWith({ interceptors: [twice] });
  const error = await pair.failure(remote.echo?.(1) as Promise<unknown>);
  expect(error).toBeInstanceOf(DuowireError);
  expect(error.message).toMatch(/once/);
});

test("Interceptors leave failures what they are, and nobody has to look at them", async () => {
  const pass: Interceptor = (_call, next) => next();
  const forget: Interceptor = (_call, next) => {
    void next();
    return "early";
  };
  const { pair, remote } = pairWith({ interceptors: [pass] }, { interceptors: [pass] });
  expect(await pair.failure(remote.fail?.() as Promise<unknown>)).toMatchObject({
    remote: true,
    message: "on purpose",
  });
  expect(pair.b.told.serviceErrors).toHaveLength(1);
  expect(await pair.failure(remote.none?.() as Promise<unknown>)).toMatchObject({ code: "method_unknown" });
  const thenable = await pair.failure(remote.thenable?.() as Promise<unknown>);
  expect(thenable).toMatchObject({ code: "invalid_argument", side: "remote" });
  expect(thenable.message).toMatch(/result\.then cannot be sent/);
  void remote.fail?.();
  await pair.settle();
  expect(pair.a.told.callFailed).toMatchObject([{ method: "fail" }]);
  const careless = pairWith({ interceptors: [forget] });
  expect(await careless.pair.answer(careless.remote.fail?.() as Promise<unknown>)).toBe("early");
  expect(careless.pair.a.peer.figures.openCount).toBe(0);
});

class Leaf extends Target {
  name(): string {
    return "leaf";
  }
}

test("Interceptors that call next() at once leave pipelining, streams and passed functions as they are", async () => {
  const pass: Interceptor = (_call, next) => next();
  const service = {
    open: () => new Leaf(),
    count: async function* count(): AsyncGenerator<number> {
      yield* [1, 2, 3];
    },
    call: (f: (n: number) => number) => f(4),
  };
  const pair = new Pair<unknown, typeof service>(
    undefined,
    service,
    { interceptors: [pass] },
    { interceptors: [pass] },
  );
  const opened = pair.remoteB.open();
  expect(await pair.answer(opened.result.name())).toBe("leaf");
  expect(await pair.answer(pair.remoteB.call((n) => n + 1))).toBe(5);
  const items: number[] = [];
  const reading = (async () => {
    for await (const item of pair.remoteB.count()) items.push(item);
  })();
  await pair.answer(reading);
  expect(items).toStrictEqual([1, 2, 3]);
});

test("Interceptors that wait before next() hold a call back, and what names its result is refused with the reason", async () => {
  const wait: Interceptor = async ({ method }, next) => {
    if (method === "open") await turn();
    return next();
  };
  const service = { open: () => new Leaf() };
  const pair = new Pair<unknown, typeof service>(undefined, service, { interceptors: [wait] });
  const name = pair.remoteB.open().result.name();
  const error = await pair.failure(name);
  expect(error).toMatchObject({ code: "invalid_argument", outcome: "not_sent" });
  expect(error.message).toMatch(/held by an interceptor/);
});
