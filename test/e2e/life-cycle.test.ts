import { expect, onTestFinished, test } from "vitest";
import { type ClientSession, connect } from "../../src/client/index.js";
import { Service } from "../../src/index.js";
import { serve } from "../../src/server/index.js";
import type { ServerOptions } from "../../src/server/settings.js";
import { startProxy } from "../support/faulty-proxy.js";

interface DiaryClient {
  confirm(question: string): boolean;
}

/** What happened to every service of this file's present test, in order. */
let diary: string[] = [];

class Diary extends Service<DiaryClient> {
  constructor() {
    super();
    diary.push(`constructor ${this.session.state}`);
    this.session.signal.addEventListener("abort", () => diary.push(`aborted ${this.session.signal.reason.code}`));
    // A call from the constructor on: it waits until there is somebody to answer.
    const note = (answer: boolean) => diary.push(`confirmed ${answer}`);
    this.client.confirm("early?").then(note, () => {});
  }

  override async opened() {
    await Promise.resolve();
    diary.push("opened");
  }

  override interrupted() {
    diary.push("interrupted");
  }

  override resumed() {
    diary.push("resumed");
  }

  override async [Symbol.asyncDispose]() {
    diary.push(`disposed ${this.session.state}`);
  }

  note(text: string) {
    diary.push(text);
    return text;
  }

  /** Never settles by itself. */
  wait(): Promise<void> {
    return new Promise(() => {});
  }

  async leave(message: string) {
    await this.session.close(message);
  }
}

async function start(options: Partial<ServerOptions<Diary>> = {}) {
  diary = [];
  const server = await serve<Diary>({ address: "http://127.0.0.1:0/WAO", service: Diary, ...options });
  onTestFinished(() => server.close());
  return server;
}

const expose = { confirm: () => true };

/** What a client's program is told of its session, in order. */
function watch<S extends object>(session: ClientSession<S>): string[] {
  const told: string[] = [];
  session.addEventListener("state", ({ detail }) => {
    told.push(detail.reason === undefined ? detail.state : `${detail.state} ${detail.reason.code}`);
    expect(session.state).toBe(detail.state);
  });
  session.addEventListener("link", ({ detail }) => {
    told.push(`link ${detail.kind}`);
  });
  return told;
}

test("a service lives from its access to its end, and hears of what happens between", async () => {
  const server = await start();
  const proxy = await startProxy(server.address.port);
  const session = connect<Diary>(`http://127.0.0.1:${proxy.port}/WAO`, { expose });
  const told = watch(session);
  expect(session.state).toBe("connecting");
  expect(await session.remote.note("first call")).toBe("first call");
  await expect.poll(() => session.link?.kind).toBe("websocket");
  expect(session.link?.roundTripMs).toBeGreaterThan(0);
  proxy.destroyAll();
  await expect.poll(() => diary).toContain("interrupted");
  await expect.poll(() => diary).toContain("resumed");
  expect(await session.remote.note("second call")).toBe("second call");
  await session.close();
  await expect.poll(() => diary.at(-1)).toBe("disposed closed");
  expect(diary.filter((line) => line !== "confirmed true")).toEqual([
    "constructor waiting",
    "opened",
    "first call",
    "interrupted",
    "resumed",
    "second call",
    "aborted closed",
    "disposed closed",
  ]);
  expect(diary).toContain("confirmed true");
  // A machine under load makes a way look long; then plain HTTP carries the session until the WebSocket does.
  const rest = told.filter((one) => one !== "link http-exchange");
  expect(rest).toEqual(["open", "link websocket", "interrupted", "link websocket", "open", "closed closed"]);
});

test("a slow path to the session's own address is no interruption, a broken one is", async () => {
  const server = await start({ firstAnswerHoldMs: 0 });
  const proxy = await startProxy(server.address.port);
  const session = connect<Diary>(`http://127.0.0.1:${proxy.port}/WAO`, { expose });
  const told = watch(session);
  proxy.delayMs = 50;
  // On a way this long, plain HTTP may carry the session until the WebSocket does.
  await expect.poll(() => told.at(-1), { timeout: 5_000 }).toBe("link websocket");
  expect(told.filter((one) => one !== "link http-exchange")).toEqual(["open", "link websocket"]);
  const before = told.length;
  proxy.mode = "reset";
  proxy.destroyAll();
  await expect.poll(() => told.slice(before)).toEqual(["interrupted"]);
  proxy.mode = "pass";
  await expect
    .poll(() => told.slice(before + 1, before + 3))
    .toEqual([expect.stringMatching(/^link (websocket|http-exchange)$/), "open"]);
  await session.close();
});

test("await using ends the session on both sides", async () => {
  const server = await start();
  let kept: ClientSession<Diary>;
  {
    await using session = connect<Diary>(server.address.href, { expose });
    kept = session;
    expect(await session.remote.note("inside")).toBe("inside");
    expect(server.sessions.size).toBe(1);
  }
  expect(kept.state).toBe("closed");
  expect(server.sessions.size).toBe(0);
  expect(diary).toContain("aborted closed");
});

test("close() rejects open calls with closed and their outcome, and never rejects itself", async () => {
  const server = await start();
  const session = connect<Diary>(server.address.href, { expose });
  await session.opened;
  const sent = session.remote.wait();
  await session.remote.note("sent before");
  const closing = session.close("goodbye");
  const late = session.remote.note("too late");
  await expect(sent).rejects.toMatchObject({ code: "closed", outcome: "outcome_unknown" });
  await expect(late).rejects.toMatchObject({ code: "closed", outcome: "not_sent" });
  await expect(closing).resolves.toBeUndefined();
  await expect(session.close()).resolves.toBeUndefined();
  expect(await session.closed).toMatchObject({ code: "closed", message: "goodbye", side: "local" });
});

test("calls of the very turn of close() still leave", async () => {
  const server = await start();
  const session = connect<Diary>(server.address.href, { expose });
  await expect.poll(() => session.link?.kind).toBe("websocket");
  session.remote.note("last words");
  await session.close();
  expect(diary).toContain("last words");
});

test("close() before the access was answered leaves nothing behind", async () => {
  const server = await start();
  const session = connect<Diary>(server.address.href, { expose });
  const call = session.remote.note("never");
  await session.close();
  await expect(call).rejects.toMatchObject({ code: "closed" });
  await expect(session.opened).rejects.toMatchObject({ code: "closed" });
  await expect.poll(() => server.sessions.size).toBe(0);
});

test("close() of a session whose server does not answer takes a second at most", async () => {
  const server = await start();
  const proxy = await startProxy(server.address.port);
  const session = connect<Diary>(`http://127.0.0.1:${proxy.port}/WAO`, { expose });
  await session.remote.note("here");
  proxy.mode = "stall";
  const startedAt = performance.now();
  await session.close();
  expect(performance.now() - startedAt).toBeLessThan(1_300);
});

test("a service ends its own session, and the client is told its words", async () => {
  const server = await start();
  const session = connect<Diary>(server.address.href, { expose });
  await expect(session.remote.leave("the shop is closed")).rejects.toMatchObject({ outcome: "outcome_unknown" });
  expect(await session.closed).toMatchObject({ code: "closed", message: "the shop is closed", side: "remote" });
  // Over the answer to the first access the client cannot confirm: the server then waits a second for it.
  await expect.poll(() => server.sessions.size, { timeout: 2_000 }).toBe(0);
});

class BadConstructor extends Service {
  constructor() {
    super();
    throw new Error("secret: no database");
  }
}

class BadOpening extends Service {
  override async opened() {
    throw new Error("secret: no table");
  }
}

class BadEnd extends Service {
  ping() {
    return "pong";
  }

  override interrupted() {
    throw new Error("in interrupted");
  }

  override async [Symbol.asyncDispose]() {
    throw new Error("in asyncDispose");
  }
}

test.for([
  ["constructor", BadConstructor, "secret: no database"],
  ["opened", BadOpening, "secret: no table"],
] as const)(
  "an error in %s refuses the access with service_failed, and stays on the server",
  async ([method, service, message]) => {
    const told: { method: string; error: unknown }[] = [];
    const server = await serve({
      address: "http://127.0.0.1:0/WAO",
      service,
      onError: (error, where) => told.push({ method: where.method, error }),
    });
    onTestFinished(() => server.close());
    const session = connect<BadOpening>(server.address.href);
    const reason = await session.closed;
    expect([reason.code, reason.side]).toEqual(["service_failed", "remote"]);
    expect(reason.message).not.toContain("secret");
    expect(told).toMatchObject([{ method, error: { message } }]);
    const [first] = told as { error: Error }[];
    expect(first?.error.stack).toContain("life-cycle.test.ts");
    expect(server.sessions.size).toBe(0);
  },
);

test("errors in interrupted and asyncDispose are the server's to see, and nobody's end", async () => {
  const told: string[] = [];
  const server = await serve({
    address: "http://127.0.0.1:0/WAO",
    service: BadEnd,
    onError: (error) => told.push((error as Error).message),
  });
  onTestFinished(() => server.close());
  const proxy = await startProxy(server.address.port);
  const session = connect<BadEnd>(`http://127.0.0.1:${proxy.port}/WAO`);
  await session.remote.ping();
  await expect.poll(() => session.link?.kind).toBe("websocket");
  proxy.destroyAll();
  await expect.poll(() => told).toEqual(["in interrupted"]);
  expect(await session.remote.ping()).toBe("pong");
  await session.close();
  await expect.poll(() => told).toEqual(["in interrupted", "in asyncDispose"]);
});

class BadAsyncHooks extends Service {
  ping() {
    return "pong";
  }

  fail() {
    throw new Error("in a method");
  }

  override async interrupted() {
    throw new Error("in async interrupted");
  }

  override async resumed() {
    throw new Error("in async resumed");
  }
}

test("async interrupted and resumed that reject are the server's to see, and not the end of its process", async () => {
  const told: string[] = [];
  const onError = (error: unknown, { method }: { method: string }) => {
    told.push(`${method}: ${(error as Error).message}`);
  };
  const server = await serve({ address: "http://127.0.0.1:0/WAO", service: BadAsyncHooks, onError });
  onTestFinished(() => server.close());
  const proxy = await startProxy(server.address.port);
  const session = connect<BadAsyncHooks>(`http://127.0.0.1:${proxy.port}/WAO`);
  await session.remote.ping();
  await expect.poll(() => session.link?.kind).toBe("websocket");
  proxy.destroyAll();
  const expected = ["interrupted: in async interrupted", "resumed: in async resumed"];
  await expect.poll(() => told).toEqual(expected);
  expect(await session.remote.ping()).toBe("pong");
});

test.for([
  [
    "throws",
    () => {
      throw new Error("the log is down");
    },
  ],
  [
    "rejects",
    async () => {
      throw new Error("the log is down");
    },
  ],
] as const)("an onError that %s is an event `error` of the server, and no session's end", async ([, onError]) => {
  const server = await serve({ address: "http://127.0.0.1:0/WAO", service: BadAsyncHooks, onError });
  onTestFinished(() => server.close());
  const told: string[] = [];
  server.addEventListener("error", ({ detail }) => told.push((detail.error as Error).message));
  const session = connect<BadAsyncHooks>(server.address.href);
  await expect(session.remote.fail()).rejects.toThrow("in a method");
  await expect.poll(() => told).toEqual(["the log is down"]);
  expect(await session.remote.ping()).toBe("pong");
});

test("an interrupted session whose lease runs out ends on both sides with lease_expired", async () => {
  const server = await start({ leaseMs: 1_000 });
  const proxy = await startProxy(server.address.port);
  const session = connect<Diary>(`http://127.0.0.1:${proxy.port}/WAO`, { expose });
  await session.remote.note("here");
  const open = session.remote.wait();
  await session.remote.note("there");
  proxy.mode = "stall";
  expect((await session.closed).code).toBe("lease_expired");
  await expect(open).rejects.toMatchObject({ code: "outcome_unknown", cause: { code: "lease_expired" } });
});
